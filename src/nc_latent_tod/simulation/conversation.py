"""A dialogue under construction: the state, the turns, and the acts that go with them."""

from __future__ import annotations

import random
from collections.abc import Mapping

from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.labels import Act, BeliefState, Label, gold_label
from nc_latent_tod.simulation.surface import Speaker, Split, delexicalise


class Conversation:
    """Alternates `user` and `system`; each `system` closes a turn. `extra` is how many turns may still be spent."""

    def __init__(self, dialogue_id: str, rng: random.Random, split: Split) -> None:
        self.rng = rng
        self.speaker = Speaker(rng, split)
        self.state: dict[str, dict[str, str]] = {}
        self.extra = 0
        self.withdrawn: set[tuple[str, str]] = set()  # (service, slot)
        self._id = dialogue_id
        self._prior: BeliefState = {}
        self._utterance = ""
        self._turns: list[Turn] = []
        self._labels: list[Label] = []

    def slots(self, service: str) -> Mapping[str, str]:
        """The state of one service."""
        return self.state.get(service, {})

    def set(self, service: str, values: Mapping[str, str]) -> None:
        """The user's next utterance gives these values."""
        if values:
            self.state.setdefault(service, {}).update(values)

    def drop(self, service: str, slot: str) -> None:
        """The user's next utterance withdraws a value."""
        del self.state[service][slot]
        self.withdrawn.add((service, slot))
        if not self.state[service]:
            del self.state[service]

    def user(self, text: str) -> None:
        """The user speaks. A second call in a turn adds a sentence."""
        self._utterance = f"{self._utterance} {text}".strip()

    def system(self, acts: list[Act], *sentences: str) -> None:
        """The system answers; the turn is closed with the state as it is."""
        response = " ".join(sentences)
        if len(acts) < 4 and self.chance(0.12) and acts[0].act not in ("Greeting", "ThankYou", "Goodbye", "NotifyFailure",
                                                                      "Affirm", "Negate", "Acknowledge"):
            name = "Acknowledge" if self._turns else "Greeting"
            response = f"{self.speaker.system('acknowledge' if self._turns else 'hello')} {response}"
            acts = [Act(name), *acts]
        if self._utterance.endswith(".") and self.chance(0.2):
            self._utterance = self._utterance[:-1]  # as people type
        state = {service: dict(slots) for service, slots in self.state.items()}
        last = self._turns[-1].system_response if self._turns else ""
        self._turns.append(Turn(self._id, len(self._turns), last, self._utterance, response))
        self._labels.append(gold_label(state, self._prior, acts, delexicalise(response, acts)))
        self._prior, self._utterance = state, ""

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def spend(self, probability: float) -> bool:
        """Whether a detour of one more turn is taken; uses up one of `extra`."""
        if self.extra > 0 and self.chance(probability):
            self.extra -= 1
            return True
        return False

    @property
    def first(self) -> bool:
        return not self._turns

    def finished(self) -> tuple[Dialogue, tuple[Label, ...]]:
        return Dialogue(self._id, tuple(self._turns)), tuple(self._labels)
