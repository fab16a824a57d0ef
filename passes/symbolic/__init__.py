"""Sizes that are not known, calculated with: what shapes say of each other."""
