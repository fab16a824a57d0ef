"""Frontends for what PyTorch writes: TorchScript archives, `.pt2` exports and checkpoints."""
