"""Which device does what: the problem, a dynamic programme on an order, an exact search."""
