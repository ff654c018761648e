"""Files, storage and the process: what is below all rooms."""
