"""Label Studio: a round as a project with tasks and predictions, and its annotations as corrections."""
