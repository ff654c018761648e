"""Label Studio: a round as a project with tasks and predictions, and its annotations as corrections."""

KEY_VARIABLE = "LABEL_STUDIO_API_KEY"
"""The environment variable with the access token of an account: a key among arguments would stay in a shell's history."""
