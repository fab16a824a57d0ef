"""From `wse` IR to the simulator's image: the one part of the simulator's side that knows xDSL."""
