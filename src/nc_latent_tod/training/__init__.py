"""Models from scratch, and models from labels."""
