"""Patterns of the passes that simplify, by what they are about."""
