"""Corrections as in-context examples: they stand in the pool in place of what they correct, and may be pinned."""

import json
from dataclasses import replace

from toy_jobs import job
from toy_labelling import corpus, inference, label, labeller
from toy_schema import SCHEMA

from nc_latent_tod.annotation.corrections import Correction
from nc_latent_tod.annotation.overlay import corrected_example
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.label_files import write_examples
from nc_latent_tod.labels import Example, apply_change
from nc_latent_tod.manifests import ManifestEntry
from nc_latent_tod.pipeline.seeding import Seeding
from nc_latent_tod.tasks.dst import StateTracking

CHANGE = {"stay": {"area": "south"}}


def entry(folder, run_id: str, rows: list[Example]) -> ManifestEntry:
    url = str(folder / f"{run_id}.jsonl.gz")
    return ManifestEntry("g", run_id, len(rows), url, run_id, url, write_examples(url, rows))


def corrected(example: Example) -> Example:
    return corrected_example(example, Correction(*example.turn.key, "", "fixed", CHANGE), "human-round-0")


def pool(labeller) -> list[Example]:
    return list(labeller.dst.pool.retriever._examples)


def test_a_pool_is_seeded_with_the_correction_in_place_of_the_label(tmp_path):
    rows = list(label(labeller(), corpus(6)).values())
    person = corrected(next(e for e in rows if e.turn.key == ("d4", 1)))
    entries = [entry(tmp_path, "human-round-0", [person]), entry(tmp_path, "run", rows)]
    plain, seeded, seeding = labeller(), labeller(), Seeding()
    Seeding().seed(plain, entries[1:])

    seeding.seed(labeller(), entries)
    seeding.seed(seeded, entries)  # a worker's second job reads nothing again

    found = [e for e in pool(seeded) if e.turn.key == ("d4", 1)]
    assert [e.label.change for e in found] == [CHANGE]
    later = next(e for e in pool(seeded) if e.turn.key == ("d4", 2))
    assert later.prior_state == apply_change(person.prior_state, CHANGE)
    assert [e for e in pool(seeded) if e.turn.dialogue_id != "d4"] == [e for e in pool(plain) if e.turn.dialogue_id != "d4"]


def test_corrected_examples_come_first_where_they_are_preferred():
    rows = list(label(labeller(), corpus(6)).values())
    people = [corrected(e) if i % 4 == 0 else e for i, e in enumerate(rows)]
    turn = replace(rows[7].turn, dialogue_id="new")
    plain, pinned = (inference(StateTracking(SCHEMA, "signatures"), k=3, prefer_human=preferred, minimum_distinct=0)
                     for preferred in (False, True))
    for one in (plain, pinned):
        one.pool.learn(people)

    [nearest], [preferred] = (one.pool.examples_for([turn], [{}]) for one in (plain, pinned))

    assert all(e.label.is_human for e, _ in preferred) and len(preferred) == 3
    assert not all(e.label.is_human for e, _ in nearest)


def test_a_job_that_does_not_prefer_them_keeps_its_fingerprint(tmp_path):
    plain = job(tmp_path, "r")
    data = json.loads(plain.model_dump_json())
    data["dst"]["retriever"]["prefer_human"] = True

    assert "prefer_human" not in plain.labelling_options["dst"]["retriever"]
    assert parse_job(data).fingerprint != plain.fingerprint
