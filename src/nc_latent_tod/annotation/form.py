"""What a person is shown of a turn: the dialogue until then, the label that was predicted, and how sure it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nc_latent_tod.annotation.rounds import Round, text_sha256
from nc_latent_tod.errors import ConfigError, DamagedError
from nc_latent_tod.labels import Example, by_dialogue
from nc_latent_tod.ranking.confidence import TurnConfidence, turn_confidence
from nc_latent_tod.schema import Schema


@dataclass(frozen=True)
class Form:
    """One turn of a round, to be corrected."""

    example: Example
    earlier: tuple[Example, ...]  # turns of the dialogue before it, in order
    sure: TurnConfidence
    services: tuple[str, ...]  # in play: of the change, of the acts, of the state before; the nearest first

    @property
    def text_sha256(self) -> str:
        return text_sha256(self.example.turn)

    @property
    def confidence(self) -> float:
        """The share of the least sure reading, in [0, 1]; 0.0 where a task failed, 1.0 where nothing was weighed."""
        return min([1.0, *(sure.share for sure in self.sure.tasks.values()), *(0.0 for _ in self.example.label.failures)])


def forms(made: Round, examples: Sequence[Example], schema: Schema) -> list[Form]:
    """A form for every turn of the round, in the round's order; `examples` are the labels of its group.

    Raises `DamagedError` where a turn is gone or its text has changed, `ConfigError` where a label does not fit the schema.
    """
    dialogues = by_dialogue(examples)
    found = []
    for selected in made.turns:
        turns = dialogues.get(selected.dialogue_id, [])
        example = next((e for e in turns if e.turn.turn_id == selected.turn_id), None)
        if example is None or text_sha256(example.turn) != selected.text_sha256:
            fault = "is not in" if example is None else "has another text in"
            raise DamagedError(f"Turn {selected.turn_id} of dialogue {selected.dialogue_id!r} of round {made.number} {fault} "
                               f"the group {made.group_id!r}. Name the manifest that the round was selected from with "
                               "--manifest, or select another round.")
        check_label(example, schema)
        found.append(Form(example, tuple(e for e in turns if e.turn.turn_id < selected.turn_id),
                          turn_confidence(example, schema), _in_play(example, turns)))
    return found


def check_label(example: Example, schema: Schema) -> None:
    """Raise `ConfigError` where a label names a service or slot that the schema lacks: a form could not show it."""
    label = example.label
    named = {(service, slot) for state in (label.change, example.prior_state) for service, held in state.items()
             for slot in held}
    named |= {(act.service, act.slot) for act in label.acts if act.service}
    for service, slot in sorted(named):
        known = schema.services_by_name.get(service)
        if known is None or (slot and slot not in known.slots_by_name):
            raise ConfigError(f"The label of turn {example.turn.turn_id} of dialogue {example.turn.dialogue_id!r} has "
                              f"{service}.{slot}, which the schema lacks. Name the schema that the jobs used with --schema.")


def _in_play(example: Example, turns: Sequence[Example]) -> tuple[str, ...]:
    before = [e for e in turns if e.turn.turn_id == example.turn.turn_id - 1]
    told = [*example.label.change, *(act.service for act in example.label.acts), *example.prior_state,
            *(act.service for e in before for act in e.label.acts)]
    return tuple(dict.fromkeys(service for service in told if service))
