"""Passes that split a model between targets."""
