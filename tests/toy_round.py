"""A round over the toy schema: plain turns, and texts that a page must show and never obey."""

from __future__ import annotations

import json
from pathlib import Path

from toy_schema import SERVICES

from nc_latent_tod.annotation.rounds import Round, Selected, text_sha256, write_round
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.dialogue import Turn
from nc_latent_tod.labels import Act, BeliefState, Candidate, Example, Label, StateChange, TaskLabel, apply_change
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.manifests.local import LocalManifest

OWN = "</script><script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\"><!-- ${x} $x"
HOSTILE = (OWN, "\u202eright to left \u2067שלום\u2069 مرحبا", "\U0001f469\u200d\U0001f680 \ud83d half an emoji",
           "long " * 4_000 + "end", "\x00\x1b[2J\u2028 control", "__proto__ constructor ' \" \\ &amp; &lt;")


def example(dialogue_id: str, turn_id: int, user: str, reply: str, *, prior: BeliefState | None = None,
            change: StateChange | None = None, acts: tuple[Act, ...] = (), sure: float = 1.0) -> Example:
    """A labelled turn whose reading has the share `sure`: 1.0 or 0.5."""
    other = () if sure == 1.0 else (Candidate('[agent.find_stay(area="north")]', score=0.0, count=4),)
    task = TaskLabel((Candidate("[agent.no_change()]", score=0.0, count=4), *other), 0)
    said = "" if turn_id == 0 else "What else?"
    return Example(Turn(dialogue_id, turn_id, said, user, reply), prior or {},
                   Label(apply_change(prior or {}, change or {}), change or {}, acts, "", {"dst": task}), "r")


EAST = {"stay": {"area": "east"}}
EXAMPLES = [
    example("d1", 0, "A room in the east, please.", "The Mill is in the east.", change=EAST,
            acts=(Act("Offer", "stay", "name", "The Mill"), Act("Inform", "stay", "area", "east"))),
    example("d1", 1, "With a garage; and north, not east.", "Which day?", prior=EAST, change={"stay": {"garage": "yes"}},
            acts=(Act("Request", "stay", "name"),), sure=0.5),
    example("d1", 2, "Any name will do.", "Goodbye!", prior={"stay": {"area": "east", "garage": "yes"}},
            acts=(Act("Goodbye"),)),
    *(example(f"h{i}{text[:9]}", 0, text, text, prior={"stay": {"name": text}}, change={"Rides_2": {"from": text}},
              acts=(Act("Inform", "stay", "name", text),)) for i, text in enumerate(HOSTILE)),
]


def round_of(*examples: Example, number: int = 0, group_id: str = "g", manifest: str = "manifest") -> Round:
    """The round of just these turns, in this order."""
    return Round(number, group_id, manifest, "random", 0, len(examples), "turn", "0" * 64, (), "schema.json",
                 tuple(Selected(*e.turn.key, text_sha256(e.turn)) for e in examples))


ROUND = round_of(*EXAMPLES)


def write_group() -> None:
    """A manifest with the group `g` of all examples, its schema, and the round, in the working folder."""
    written = ManifestEntry("g", "r", 7, "", "train", "labels.jsonl", write_examples("labels.jsonl", EXAMPLES), 9, 1,
                            schema_path="schema.json")
    LocalManifest("manifest").add(written)
    Path("schema.json").write_text(json.dumps(SERVICES))
    write_round(ROUND, "annotations")
