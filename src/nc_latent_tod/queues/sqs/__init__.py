"""A queue on Amazon SQS."""
