"""BLEU of responses in the common notation."""

from __future__ import annotations

from collections.abc import Sequence

from nc_latent_tod.errors import require_extra


def corpus_bleu(hypotheses: Sequence[str], references: Sequence[str]) -> float:
    """Corpus BLEU-4 in percent as sacrebleu computes it (13a tokens, exponential smoothing), one reference a response."""
    require_extra("BLEU", "evaluate", "sacrebleu")
    import sacrebleu

    return float(sacrebleu.corpus_bleu(list(hypotheses), [list(references)]).score)
