"""Language models behind an OpenAI-compatible completions server."""
