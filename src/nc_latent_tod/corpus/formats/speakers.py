"""From utterances with speakers to dialogues of turns: the one place where that policy lives.

- One after another by the same speaker, utterances are joined with a newline; only empty ones among them go.
- What the system says before the first user utterance is the `last_system_utterance` of turn 0.
- A user utterance that nobody answers has the system response "".
- An empty user utterance stays: the turn exists and its label says why it has no reading.
- A dialogue in which the user says nothing is refused, and so is text that is not valid Unicode (half an emoji).

Everything else is kept as it is: control characters, right-to-left text, any length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import CorpusError

USER_SPEAKERS = ("user", "customer")
SYSTEM_SPEAKERS = ("system", "agent", "assistant", "bot")


@dataclass(frozen=True, slots=True)
class Exchange:
    """Which utterances make up one turn, by their positions in the dialogue."""

    before: tuple[int, ...]  # what the system said last
    user: tuple[int, ...]  # never empty
    response: tuple[int, ...]


def exchanges(speakers: Sequence[str], *, where: str) -> list[Exchange]:
    """Group the utterances of a dialogue into turns; `where` (file and line) begins the message of a `CorpusError`."""
    groups: list[tuple[bool, tuple[int, ...]]] = []
    sides = [_is_user(speaker, f"{where}, utterance {i}") for i, speaker in enumerate(speakers)]
    for is_user, run in groupby(range(len(sides)), key=lambda i: sides[i]):
        groups.append((is_user, tuple(run)))
    turns = []
    for i, (is_user, positions) in enumerate(groups):
        if is_user:
            before = groups[i - 1][1] if i else ()
            response = groups[i + 1][1] if i + 1 < len(groups) else ()
            turns.append(Exchange(before, positions, response))
    if not turns:
        raise CorpusError(f"{where}: the dialogue has no user utterance, so there is nothing to label. Remove it.")
    return turns


def dialogue_of(dialogue_id: str, speakers: Sequence[str], utterances: Sequence[str], *, where: str) -> Dialogue:
    """Build the dialogue that `speakers` had with `utterances`; raises `CorpusError` beginning with `where`."""
    for i, utterance in enumerate(utterances):
        text(utterance, f"{where}, utterance {i}")

    def joined(positions: tuple[int, ...]) -> str:
        return "\n".join(utterances[i] for i in positions if utterances[i])

    return Dialogue(dialogue_id, tuple(
        Turn(dialogue_id, turn_id, joined(e.before), joined(e.user), joined(e.response))
        for turn_id, e in enumerate(exchanges(speakers, where=where))
    ))


def text(value: object, where: str) -> str:
    """Return `value` if it is text that can be stored as UTF-8; raises `CorpusError` otherwise."""
    if not isinstance(value, str):
        raise CorpusError(f"{where}: expected text, found {value!r:.80}.")
    if not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise CorpusError(f"{where}: not valid Unicode at character {error.start} (a lone surrogate, such as half "
                              "an emoji): repair or remove it.") from None
    return value


def dialogue_id_of(value: object, where: str) -> str:
    """Return a dialogue's id as text; a whole number is one. Raises `CorpusError` where it is missing or empty."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if value is None or value == "":
        raise CorpusError(f"{where}: the dialogue has no 'dialogue_id'.")
    return text(value, f"{where}, 'dialogue_id'")


def _is_user(speaker: object, where: str) -> bool:
    name = speaker.strip().lower() if isinstance(speaker, str) else None
    if name in USER_SPEAKERS:
        return True
    if name in SYSTEM_SPEAKERS:
        return False
    known = ", ".join((*USER_SPEAKERS, *SYSTEM_SPEAKERS))
    raise CorpusError(f"{where}: unknown speaker {speaker!r:.80}. Known speakers, in any case: {known}.")
