"""Many jobs in turn: EM and bootstrap."""
