"""Campaigns: many mutants in processes of their own, which are watched and may die."""
