"""Scores of labels against gold, and of labels against labels. Pure."""
