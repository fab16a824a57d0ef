"""How the axes of an op's operands and results relate: who must keep the same channels."""
