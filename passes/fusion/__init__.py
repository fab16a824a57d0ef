"""Passes that make one op of several."""
