"""Passes that simplify a program: folding, canonical forms, known shapes."""
