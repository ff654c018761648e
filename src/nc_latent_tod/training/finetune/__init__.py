"""Models from labels."""
