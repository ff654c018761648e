"""An agent on a corpus: the users' turns as they are, the agent's own states and responses, turn by turn.

The context of a response is either what the corpus's system said (`corpus`), as in context-to-response evaluation, or what
the agent itself said before (`own`). States are the agent's own in both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from nc_latent_tod.agent.agent import Agent, Memory, Reply
from nc_latent_tod.dialogue import Dialogue
from nc_latent_tod.errors import InterruptedJobError

Context = Literal["corpus", "own"]


@dataclass
class Tally:
    """What happened on the way. Counts turns but for `missing`, which counts values."""

    turns: int = 0
    failures: dict[str, int] = field(default_factory=dict)  # by "task: reason"
    missing: dict[str, int] = field(default_factory=dict)  # values that were nowhere, by slot

    def add(self, reply: Reply) -> None:
        """Count one reply."""
        self.turns += 1
        for name in (f"{task}: {reason}" for task, reason in reply.failures.items()):
            self.failures[name] = self.failures.get(name, 0) + 1
        for name in reply.missing:
            self.missing[name] = self.missing.get(name, 0) + 1


def answered(agent: Agent, dialogues: Sequence[Dialogue], *, context: Context, batch_size: int,
             should_stop: Callable[[], bool] = lambda: False) -> Iterator[Reply]:
    """Answer every turn of the dialogues, `batch_size` dialogues together. Replies do not depend on it.

    Raises `InterruptedJobError` between two waves of turns once `should_stop()`.
    """
    for start in range(0, len(dialogues), batch_size):
        group = dialogues[start : start + batch_size]
        memories = {dialogue.dialogue_id: Memory(dialogue.dialogue_id) for dialogue in group}
        for t in range(max(len(dialogue.turns) for dialogue in group)):
            if should_stop():
                raise InterruptedJobError("asked to stop; nothing was written.")
            turns = [dialogue.turns[t] for dialogue in group if t < len(dialogue.turns)]
            before = [memories[turn.dialogue_id] for turn in turns]
            if context == "corpus" or t == 0:
                before = [replace(m, last_response=turn.last_system_utterance) for m, turn in zip(before, turns, strict=True)]
            for reply in agent.reply([turn.user_utterance for turn in turns], before):
                memories[reply.turn.dialogue_id] = reply.memory
                yield reply


def predictions(replies: Sequence[Reply]) -> dict[str, list[dict[str, Any]]]:
    """Replies in the community's format; the lexicalised response and the acts ride along, which scorers leave aside."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for reply in sorted(replies, key=lambda reply: reply.turn.turn_id):
        rows.setdefault(reply.turn.dialogue_id, []).append({
            "response": reply.delexicalised, "state": _plain(reply.state), "turn_id": reply.turn.turn_id,
            "lexicalised": reply.turn.system_response, "found": dict(reply.found),
            "acts": [[act.act, act.service, act.slot, act.value] for act in reply.acts]})
    return rows


def _plain(state: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    return {service: dict(slots) for service, slots in state.items()}
