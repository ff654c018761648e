"""A queue in a plain folder."""
