"""From moves and acts to words: chooses templates and phrases of one split, and fills them."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from nc_latent_tod.labels import Act
from nc_latent_tod.simulation import system_templates, user_templates
from nc_latent_tod.simulation.catalogue import Catalogue
from nc_latent_tod.simulation.wording import is_yes

Split = Literal["train", "heldout", "all"]

NUMBER_WORDS = {"2": "two", "3": "three", "4": "four", "5": "five", "6": "six", "7": "seven", "8": "eight"}


_EDGE, _SPACE = "\ue000", "\ue001"  # around and inside of a value until its sentence is tidy; no text has them
_VALUES = ("value", "name")  # fields that hold one

_UNNAMED_VALUES = frozenset({"yes", "no", "true", "false", "dontcare"})


class Speaker:
    """Words the moves of one dialogue. Every choice comes from `rng`."""

    def __init__(self, rng: random.Random, split: Split) -> None:
        self._rng, self._split = rng, split
        self._user, self._system = _SPLITS[split]

    def user(self, move: str, *, first: bool = False, unless: str = "", **fields: str) -> str:
        """A user utterance; templates that contain the text `unless` are left out."""
        template = self._choose([t for t in self._user[move] if not unless or unless not in t])
        text = template.format(**_kept_whole(fields))
        leads = user_templates.LEAD_INS.get("first" if first else move, ())
        if leads and self._rng.random() < 0.25 and not text.startswith(("hello", "hi,", "good")):
            text = f"{self._choose(leads)} {text}"
        return tidy(text)

    def system(self, act: str, **fields: str) -> str:
        """One sentence of a system response."""
        return tidy(self._choose(self._system[act]).format(**_kept_whole(fields)))

    def question(self, desk: Catalogue, slots: Sequence[str]) -> str:
        """A request for one or more slots of a service."""
        nouns = join([self.noun(desk, s, main=True) for s in slots])
        special = desk.slot_words[slots[0]].questions if len(slots) == 1 else ()
        if special and self._rng.random() < 0.7:
            return tidy(self._choose(special).format(service=desk.words.names[0]))
        kind = "request_yes_no" if set(slots) <= desk.yes_no else "request"
        return self.system(kind, nouns=nouns, service=desk.words.names[0])

    def noun(self, desk: Catalogue, slot: str, *, main: bool = False) -> str:
        nouns = desk.slot_words[slot].nouns
        return nouns[0] if main else self._choose(nouns)

    def service(self, desk: Catalogue) -> str:
        return self._choose(desk.words.names)

    def phrase(self, desk: Catalogue, slot: str, value: str, *, spoken: bool = True) -> str:
        """A constraint after a noun. Users may say small numbers as words (`spoken`)."""
        words = desk.slot_words[slot]
        if slot in desk.yes_no:
            return self._choose(self._phrases(words.phrases, words.heldout) if is_yes(value) else words.negative)
        return self._choose(self._phrases(words.phrases, words.heldout)).format(value=self.value(value, spoken=spoken))

    def value(self, value: str, *, spoken: bool = True) -> str:
        return _kept(NUMBER_WORDS[value] if spoken and value in NUMBER_WORDS and self._rng.random() < 0.4 else value)

    def described(self, desk: Catalogue, constraints: Mapping[str, str], same: Mapping[str, str]) -> tuple[str, str]:
        """A noun for the service with what stands before it, and the phrases after it. `same`: slot -> other service."""
        before, noun, after = "", "", []
        for slot, value in constraints.items():
            words = desk.slot_words[slot]
            if slot in same:
                after.append(self._choose(words.same).format(noun=words.nouns[0], other=same[slot]))
            elif words.instead and len(constraints) > 1 and self._rng.random() < 0.5:
                noun = self._choose(words.instead).format(value=_kept(value))
            elif words.before and not before and len(constraints) > 1 and self._rng.random() < 0.4:
                before = self._choose(words.before).format(value=self.value(value)) + " "
            else:
                after.append(self.phrase(desk, slot, value))
        noun = noun or (desk.words.names[0] if before else self.service(desk))
        return before + noun, self._run_on(after)

    def phrases(self, desk: Catalogue, values: Mapping[str, str], same: Mapping[str, str] | None = None, *,
                spoken: bool = True) -> str:
        parts = []
        for slot, value in values.items():
            words = desk.slot_words[slot]
            if same and slot in same:
                parts.append(self._choose(words.same).format(noun=words.nouns[0], other=same[slot]))
            else:
                parts.append(self.phrase(desk, slot, value, spoken=spoken))
        return self._run_on(parts)

    def facts(self, desk: Catalogue, values: Mapping[str, str]) -> str:
        return join([f"the {self.noun(desk, s)} is {_kept(v)}" for s, v in values.items()])

    def _run_on(self, parts: Sequence[str]) -> str:
        """Phrases mostly follow each other without "and": "in the east with parking"."""
        return " ".join(parts) if self._rng.random() < 0.7 else join(parts)

    def _phrases(self, shared: tuple[str, ...], heldout: tuple[str, ...]) -> tuple[str, ...]:
        return shared if self._split == "train" else (*shared, *heldout)

    def _choose(self, options: Sequence[str]) -> str:
        return options[int(self._rng.random() * len(options))]


def join(parts: Sequence[str]) -> str:
    """"a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""


def tidy(text: str) -> str:
    """Lower case; "an" before a vowel; no space before a full stop. Values stay as they are: "a and b guest house"."""
    text = re.sub(rf"\ba (?={_EDGE}*[aeiou])", "an ", text.lower())
    return re.sub(r"\s+([.,?])", r"\1", text).replace(_EDGE, "").replace(_SPACE, " ")


def _kept(value: str) -> str:
    """A value that `tidy` leaves whole."""
    return f"{_EDGE}{value.replace(' ', _SPACE)}{_EDGE}"


def _kept_whole(fields: Mapping[str, str]) -> dict[str, str]:
    return {name: _kept(text) if name in _VALUES else text for name, text in fields.items()}


def delexicalise(text: str, acts: Iterable[Act]) -> str:
    """Replace the values of acts by `[value_<slot>]`, longest first; equal values go to their acts in order.

    The words "yes" and "no" stay: they are seldom the value of a slot where they stand in a text.
    """
    placeholders: dict[str, list[str]] = {}
    for act in acts:
        if act.value and act.value.lower() not in _UNNAMED_VALUES:
            placeholders.setdefault(act.value.lower(), []).append(f"[value_{act.slot}]")
    if not placeholders:
        return text
    pattern = "|".join(re.escape(v) for v in sorted(placeholders, key=len, reverse=True))

    def place(match: re.Match[str]) -> str:
        names = placeholders[match[0]]
        return names.pop(0) if len(names) > 1 else names[0]

    return re.sub(rf"(?<!\w)(?:{pattern})(?!\w)", place, text)


def _merged(module: object, split: Split) -> dict[str, tuple[str, ...]]:
    train, heldout = module.TRAIN, module.HELDOUT  # type: ignore[attr-defined]
    if split == "all":
        return {move: (*train[move], *heldout[move]) for move in train}
    return train if split == "train" else heldout


_SPLITS = {split: (_merged(user_templates, split), _merged(system_templates, split))
           for split in ("train", "heldout", "all")}  # type: ignore[arg-type]
