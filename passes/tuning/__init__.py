"""Passes that use measurements."""
