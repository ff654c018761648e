"""The layouts that dialogues come in, one file each."""
