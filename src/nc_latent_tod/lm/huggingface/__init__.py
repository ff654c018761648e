"""Causal language models of transformers, in this process."""
