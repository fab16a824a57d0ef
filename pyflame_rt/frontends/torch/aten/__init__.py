"""torch's operators as pfrt ops: the rules that TorchScript and `.pt2` files are built through."""
