"""Weights that go: masks, and channels that are removed."""
