"""The four scripts of the original instructions."""
