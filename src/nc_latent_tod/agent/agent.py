"""The end-to-end agent: user turns in; states, queries, acts and responses out.

DST (names linked to entities) -> database query -> policy -> grounding -> delexicalised response -> lexicalised response.
Every step is a value of its own in the `Reply`, and a step that fails says so there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from nc_latent_tod.agent.grounding import Focus, Grounded, ground
from nc_latent_tod.agent.lexicalise import Filled, lexicalise
from nc_latent_tod.agent.linking import linked
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labelling import TaskLabeller
from nc_latent_tod.labelling.outcome import Inferred
from nc_latent_tod.labels import Act, BeliefState, StateChange, TaskLabel, apply_change
from nc_latent_tod.tasks.database import Database

APOLOGY = "Sorry, I have no answer to that."
"""Said where no response could be read. It is counted as a failure of the task `response`."""


@dataclass(frozen=True)
class Memory:
    """What the agent knows of a dialogue before the user speaks."""

    dialogue_id: str
    turn_id: int = 0
    state: BeliefState = field(default_factory=dict)
    last_response: str = ""  # lexicalised
    focus: Focus = field(default_factory=Focus)
    earlier: tuple[Turn, ...] = ()  # oldest first


@dataclass(frozen=True)
class Reply:
    """One turn of the agent, step by step."""

    turn: Turn  # with the agent's response
    change: StateChange
    state: BeliefState
    found: Mapping[str, int]  # entities that match, by service that has named ones
    acts: tuple[Act, ...]  # with values
    delexicalised: str
    missing: tuple[str, ...]  # values that are nowhere: of acts, which were left out, and of placeholders
    outcomes: Mapping[str, TaskLabel]  # by task
    memory: Memory  # before the next user turn

    @property
    def failures(self) -> dict[str, str]:
        """Reason codes by task, for the tasks that failed."""
        return {name: outcome.failure for name, outcome in self.outcomes.items() if outcome.failure}


@dataclass(frozen=True)
class Agent:
    """Answers user turns. The task of `response` is `Responding`, which words acts that are given."""

    dst: TaskLabeller
    policy: TaskLabeller
    response: TaskLabeller
    database: Database
    seed: int = 0

    def reply(self, utterances: Sequence[str], memories: Sequence[Memory]) -> list[Reply]:
        """Answer one user utterance of each dialogue; an answer depends on its own dialogue alone."""
        turns = [Turn(m.dialogue_id, m.turn_id, m.last_response, utterance, "")
                 for utterance, m in zip(utterances, memories, strict=True)]
        read = self.dst.infer(turns, [m.state for m in memories], self._streams(turns, "dst"), [m.earlier for m in memories])
        changes = [inferred._replace(value=linked(inferred.value or {}, turn, m.focus, self.database))
                   for inferred, turn, m in zip(read, turns, memories, strict=True)]
        states = [apply_change(m.state, change.value) for m, change in zip(memories, changes, strict=True)]
        decided = self.policy.infer(turns, states, self._streams(turns, "policy"))
        grounded = [ground(acts.value or (), state, m.focus, self.database, m.dialogue_id)
                    for acts, state, m in zip(decided, states, memories, strict=True)]
        worded = self.response.infer(turns, states, self._streams(turns, "response"), given=[one.acts for one in grounded])
        return [self._reply(*row) for row in zip(turns, memories, changes, states, decided, grounded, worded, strict=True)]

    def _reply(self, turn: Turn, memory: Memory, change: Inferred, state: BeliefState, decided: Inferred, grounded: Grounded,
               worded: Inferred) -> Reply:
        delexicalised = worded.value or APOLOGY
        filled: Filled = lexicalise(delexicalised, grounded.acts, state, grounded.focus, self._slots())
        done = replace(turn, system_response=filled.text)
        after = Memory(memory.dialogue_id, memory.turn_id + 1, state, filled.text, grounded.focus, (*memory.earlier, done))
        found = {service: n for service, n in self.database.counts(state).items() if self.database.name_slot(service)}
        return Reply(done, change.value, state, found, grounded.acts, delexicalised,
                     (*grounded.missing, *(slot for slot in filled.missing
                                           if slot not in {name.split(".", 1)[1] for name in grounded.missing})),
                     {"dst": change.outcome, "policy": decided.outcome, "response": worded.outcome}, after)

    def _slots(self) -> Iterator[str]:
        return (slot.name for service in self.database.schema.services for slot in service.slots)

    def _streams(self, turns: Sequence[Turn], task: str) -> list[int]:
        """The random stream of one task on each turn, as in labelling: 63 bits of the seed and the turn's place alone."""
        keys = [f"{self.seed}/{turn.dialogue_id}/{turn.turn_id}/{task}" for turn in turns]
        return [int.from_bytes(hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()[:8], "big") >> 1 for key in keys]
