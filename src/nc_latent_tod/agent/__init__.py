"""The end-to-end agent: one turn at a time, online."""
