"""Tile programs of networks: `interface.emit` builds a `wse` program from a mapped network."""
