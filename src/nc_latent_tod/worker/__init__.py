"""Jobs of a queue, one after the other, settled."""
