"""Dialogues, schemas, gold and entity tables in; label files in and out."""
