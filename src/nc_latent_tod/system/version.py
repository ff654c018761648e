"""The version of the package, which labels, pages and heartbeats name."""

__version__ = "0.1.0"
