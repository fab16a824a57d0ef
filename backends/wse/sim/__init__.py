"""The simulator: images of programs in, cycles and results out; it knows arrays only, no IR."""
