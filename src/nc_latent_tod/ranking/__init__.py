"""Which candidate is chosen, and how sure that is. Pure."""
