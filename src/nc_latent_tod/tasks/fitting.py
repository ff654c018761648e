"""A prompt within a budget of tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.errors import TurnError
from nc_latent_tod.labels import Act, BeliefState, Example
from nc_latent_tod.tasks import Order, Task
from nc_latent_tod.tasks.prompts import Prompt


def fit_prompt(task: Task, order: Order, turn: Turn, state: BeliefState, examples: Sequence[Example], *,
               budget: int, count_tokens: Callable[[Sequence[str]], Sequence[int]], given: Sequence[Act] = ()) -> Prompt:
    """Build a prompt of at most `budget` tokens; `examples` come nearest first and are printed nearest last.

    Where it would be longer, the farthest examples go first, then the oldest part of the last system utterance. Raises
    `TurnError('prompt_too_long')` where that is not enough.
    """
    texts = [task.example(example, order) for example in examples]
    question = task.question(turn, state, order, given)
    fixed, asked, *lengths = count_tokens([task.preamble, question, *texts])
    room = budget - fixed - asked
    kept = 0
    while kept < len(lengths) and sum(lengths[: kept + 1]) <= room:
        kept += 1
    truncated = room < 0
    if truncated:
        question = _cut_oldest(task, order, turn, state, budget - fixed, count_tokens, given)
    return Prompt(task.preamble, "".join([*reversed(texts[:kept]), question]), kept, truncated)


def _cut_oldest(task: Task, order: Order, turn: Turn, state: BeliefState, room: int,
                count_tokens: Callable[[Sequence[str]], Sequence[int]], given: Sequence[Act]) -> str:
    """The question with as much of the end of the last system utterance as fits, found by halving."""
    words = turn.last_system_utterance.split(" ")
    fits, too_long = 0, len(words)
    best = None
    while fits < too_long:
        keep = (fits + too_long) // 2
        shorter = Turn(turn.dialogue_id, turn.turn_id, " ".join(words[len(words) - keep:]) if keep else "",
                       turn.user_utterance, turn.system_response)
        question = task.question(shorter, state, order, given)
        if count_tokens([question])[0] <= room:
            best, fits = question, keep + 1
        else:
            too_long = keep
    if best is None:
        raise TurnError("prompt_too_long", f"Turn {turn.turn_id} of dialogue {turn.dialogue_id!r} does not fit the model "
                        f"even without examples: {room} tokens are left after the preamble. Use a model with a longer "
                        "context, or a shorter preamble (generation_cfg.preamble).")
    return best
