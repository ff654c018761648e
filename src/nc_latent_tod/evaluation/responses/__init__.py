"""Inform, Success and BLEU of responses, in parity with the community's evaluator."""
