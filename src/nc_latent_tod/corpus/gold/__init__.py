"""Annotations of a corpus as labels, for scores alone."""
