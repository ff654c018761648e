"""A manifest group as one dataset."""
