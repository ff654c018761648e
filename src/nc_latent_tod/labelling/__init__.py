"""Turns to labels: waves of turns, one task at a time, by a model or by rules."""
