"""Turns to labels: waves of turns, one task at a time, by a model (`model`) or by rules (`rules`)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labelling.examples import ExamplePool
from nc_latent_tod.labelling.outcome import Inferred
from nc_latent_tod.labels import Act, BeliefState
from nc_latent_tod.lm import LanguageModel
from nc_latent_tod.system.stopwatch import Phases
from nc_latent_tod.tasks import Task


class TaskLabeller(Protocol):
    """One task's way of reading turns."""

    @property
    def task(self) -> Task[Any]:
        """What is read."""

    @property
    def fingerprint(self) -> str:
        """Of the model that reads; `none` without one."""

    @property
    def pool(self) -> ExamplePool | None:
        """The in-context examples that it is shown; None where it uses none."""

    @property
    def models(self) -> Sequence[LanguageModel]:
        """The language models that it asks, which count their tokens and seconds."""

    @property
    def phases(self) -> Sequence[Phases]:
        """Seconds that it takes beside its models."""

    def infer(self, turns: Sequence[Turn], priors: Sequence[BeliefState], seeds: Sequence[int],
              earlier: Sequence[Sequence[Turn]] = (), given: Sequence[tuple[Act, ...]] = ()) -> list[Inferred]:
        """Label each turn given the state before it. A turn that cannot be labelled has an outcome that says why.

        `earlier`: the turns before each, oldest first. `given`: acts that are decided already, for a task that words them.
        """
