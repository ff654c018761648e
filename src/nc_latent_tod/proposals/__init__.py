"""Readings of a turn without a model. Pure."""
