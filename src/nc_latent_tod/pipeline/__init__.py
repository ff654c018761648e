"""One job from its file to its manifest entry."""
