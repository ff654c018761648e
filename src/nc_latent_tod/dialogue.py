"""Unlabelled dialogues. There is no place for an annotation here, so gold labels cannot leak into labelling."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Turn:
    """One user utterance with what the system said before and after it."""

    dialogue_id: str
    turn_id: int  # from 0
    last_system_utterance: str  # "" at turn 0, unless the system spoke first
    user_utterance: str
    system_response: str  # "" where the dialogue ends with the user

    @property
    def key(self) -> tuple[str, int]:
        """The turn's identity within a corpus: (dialogue_id, turn_id)."""
        return self.dialogue_id, self.turn_id


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns of one conversation, in order; `turns[i].turn_id == i`."""

    dialogue_id: str
    turns: tuple[Turn, ...]
