"""Why a candidate was chosen, in words."""

from __future__ import annotations

from nc_latent_tod.labels import TaskLabel


def reason(outcome: TaskLabel) -> str:
    """Why this candidate was chosen, or none, as a sentence."""
    if outcome.failure:
        parsed = sum(c.error is None for c in outcome.candidates)
        return f"No label: {outcome.failure} ({parsed} of {len(outcome.candidates)} distinct candidates parsed)."
    if outcome.chosen is None:
        return "Nothing to label: the text is empty."
    best, others = outcome.candidates[outcome.chosen], [c for c in outcome.candidates if c.score is not None][1:]
    if best.score is None or not others:
        if best.source == "proposal":
            return "The only proposal that parsed; no sample gave it."
        return f"The only reading that parsed; {best.count} of {sum(c.count for c in outcome.candidates)} samples gave it."
    margin = best.score - (others[0].score or 0.0)
    if "proposal" in best.logprobs:
        return (f"The first of {len(outcome.candidates)} proposals, made without a model. Its pseudo-score leads the next by "
                f"{margin:.2f}: hand-set weights, which order readings and are no probabilities.")
    parsed_ones = [c for c in outcome.candidates if c.error is None]
    likeliest = max(parsed_ones, key=lambda c: c.logprobs.get("direct", float("-inf")))
    turned = "" if likeliest is best else f" By direct probability alone it would have been {likeliest.text}."
    unit = "nats a token" if outcome.length_normalization == "tokens" else "nats"
    lead = f"It leads the next reading by {margin:.2f} {unit}." if margin else "It ties with the next reading, by more samples."
    return f"{lead}{turned}"
