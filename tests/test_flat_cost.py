"""What a worker reads for a job that is seeded from its own group does not grow with the runs that are finished."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aws_server import LocalAws

from nc_latent_tod.api.backends import Builder
from nc_latent_tod.api.connect import manifest_section
from nc_latent_tod.config.job import parse_job
from nc_latent_tod.corpus.formats import json_files
from nc_latent_tod.manifests import dynamo, local
from nc_latent_tod.pipeline import seeding
from nc_latent_tod.pipeline.run import run_job
from nc_latent_tod.system.aws import Fence

JOBS = 6


def job(folder: Path, manifest: str, number: int) -> dict[str, Any]:
    where = manifest_section(manifest, "g")
    task = {"model": {"model_type": "scripted"}, "retriever": {"type": "none"},
            "generation_cfg": {"generation_mode": "greedy", "sampling_args": {"n": 1}}}
    return {"data": {"eval_set_path_or_name": str(folder / "logs.jsonl"), "eval_set_split_name": f"train_{number}_{number + 1}",
                     "schema_path": "packaged:schema"},
            "output": {"labels_url": str(folder / "labels")}, "dst": task, "act_tag": task, "data_warmup": 0,
            "manifest": {"type": where.type, "manifest_path": where.manifest_path, "group_id": "g",
                         "seed_retrievers_from_manifest": True, "group_id_must_exist": number > 0}}


@pytest.mark.parametrize("kind", ["folder", "dynamo"])
def test_a_job_reads_what_is_new_and_no_more(kind: str, tmp_path: Path, request: pytest.FixtureRequest,
                                             monkeypatch: pytest.MonkeyPatch) -> None:
    said = [{"speaker": "user", "utterance": "a hotel please"}, {"speaker": "system", "utterance": "which area?"}]
    (tmp_path / "logs.jsonl").write_text(
        "".join(json.dumps({"dialogue_id": f"d{number}", "turns": said}) + "\n" for number in range(JOBS)))
    manifest, read, a_job = str(tmp_path / "manifest"), Counter[str](), []
    if kind == "dynamo":
        aws: LocalAws = request.getfixturevalue("aws")
        manifest = f"dynamo:{aws.table()}"
    for module, name in ((local, "_read"), (dynamo, "_decode"), (seeding, "read_for_pool"), (json_files, "mapping")):
        monkeypatch.setattr(module, name, counting(read, name, getattr(module, name)))
    builder = Builder()

    for number in range(JOBS):
        read.clear()
        parsed = parse_job(job(tmp_path, manifest, number))
        entry = run_job(parsed, builder.backends(parsed)).entry
        assert len(entry.seed_run_ids) == number
        a_job.append(dict(read))

    of_entry = {"folder": "_read", "dynamo": "_decode"}[kind]
    assert a_job[2:] == [{of_entry: 1, "read_for_pool": 1, "mapping": 1}] * (JOBS - 2)


def counting(read: Counter[str], name: str, real: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:
        read[name] += 1
        return real(*arguments)
    return counted


def test_holders_of_jobs_share_what_one_of_them_has_read(aws: LocalAws, tmp_path: Path) -> None:
    builder, table = Builder(), aws.table()
    parsed = parse_job(job(tmp_path, f"dynamo:{table}", 0))
    one, other = (builder.backends(parsed, fence=Fence(table, ("queue:q", "job"), token)).manifest for token in (1, 2))

    one.entries("g")

    assert one is not other and one._read_before is other._read_before and one._client is other._client
    assert (one._fence.token, other._fence.token) == (1, 2)
