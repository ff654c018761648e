"""The label language: labels as Python calls, printed, parsed, constrained and normalised. Pure."""
