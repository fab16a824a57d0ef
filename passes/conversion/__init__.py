"""Passes between dialects, and the lowering steps of one target."""
