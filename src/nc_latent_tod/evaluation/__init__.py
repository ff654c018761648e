"""How good labels and responses are."""
