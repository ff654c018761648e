"""Job files are read strictly and whole."""

import copy
import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from nc_latent_tod.config.job import job_schema, parse_job, unused_keys
from nc_latent_tod.errors import ConfigError, PermanentError

PUBLISHED = Path(__file__).resolve().parents[2] / "shared" / "data" / "published_jobs"
ROOT = Path(__file__).resolve().parents[1]


def minimal(**sections):
    job = {
        "data": {"eval_set_path_or_name": "logs.jsonl", "eval_set_split_name": "train_0_50"},
        "manifest": {"type": "local", "manifest_path": "manifest", "group_id": "mine"},
    }
    return {**job, **sections}


def problems(job) -> list[str]:
    """The lines of the one error that reading `job` raises, its heading left out."""
    with pytest.raises(ConfigError) as caught:
        parse_job(job)
    return [line.strip() for line in str(caught.value).splitlines()[1:]]


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published job files are not on this machine")
@pytest.mark.parametrize("name", ["job_0.json", "train_50_100.json"])
def test_published_job_files_are_accepted_unchanged_and_every_value_is_kept(name):
    text = (PUBLISHED / name).read_bytes()

    job = parse_job(text, name)

    assert job.model_dump(mode="json", exclude_unset=True) == json.loads(text)


@pytest.mark.skipif(not PUBLISHED.is_dir(), reason="the published job files are not on this machine")
def test_keys_of_a_published_job_without_meaning_here_are_reported_once_each():
    job = parse_job((PUBLISHED / "job_0.json").read_bytes())

    notes = unused_keys(job)

    assert len(notes) == len(set(notes)) == 5
    assert [note for note in notes if "wandb" in note] == notes[:1]
    assert sum("best_of" in note for note in notes) == 2
    assert sum("use_past_key_value_cache" in note for note in notes) == 2


def test_a_job_needs_only_dialogues_and_a_manifest():
    job = parse_job(minimal())

    assert unused_keys(job) == []
    assert job.labels_url == "outputs/mine"
    assert job.dst.generation_cfg.generation_mode == "noisy_channel_joint"
    assert job.act_tag.generation_cfg.generation_mode == "noisy_channel_cond"
    assert (job.dst.generation_cfg.sampling_args.top_p, job.act_tag.generation_cfg.sampling_args.top_p) == (0.7, 0.8)
    assert (job.dst.retriever.k_examples, job.act_tag.retriever.k_examples) == (8, 6)
    assert job.dst.model.stop_sequences == job.act_tag.model.stop_sequences == ("\n",)


def test_all_problems_of_a_file_are_in_one_error_with_path_value_and_nearest_name():
    job = minimal(
        bach=1,
        dst={"model": {"batch_size": "16"}, "retriever": {"k_example": 3},
             "generation_cfg": {"generation_mode": "dirct"}},
        output=3,
    )
    del job["data"]["eval_set_split_name"]

    found = problems(job)

    assert found == [
        "data.eval_set_split_name: required, but missing.",
        "output = 3: must be a section, {...}.",
        'dst.model.batch_size = "16": input should be a valid integer.',
        "dst.retriever.k_example = 3: unknown key. Did you mean 'k_examples'?",
        "dst.generation_cfg.generation_mode = \"dirct\": not a choice. Did you mean 'direct'?",
        "bach = 1: unknown key. Valid keys here: data, output, wandb, dst, act_tag, profile, data_num_partitions, "
        "data_warmup, manifest, seed, run_id.",
    ]


def test_a_key_in_the_wrong_section_is_sent_to_the_right_one():
    found = problems(minimal(act_tag={"top_p": 0.5}))

    assert found == ["act_tag.top_p = 0.5: unknown key. It belongs in act_tag.generation_cfg.sampling_args."]


@pytest.mark.parametrize(
    ("task", "section", "path", "words"),
    [
        ("dst", {"generation_cfg": {"sampling_args": {"n": 8, "best_of": 4}}},
         "generation_cfg.sampling_args", "best_of (4)"),
        ("dst", {"generation_cfg": {"sampling_args": {"temperature": 0}}},
         "generation_cfg.sampling_args", "temperature 0"),
        ("dst", {"generation_cfg": {"sampling_args": {"temperature": -1}}},
         "generation_cfg.sampling_args.temperature", "greater than or equal to 0"),
        ("dst", {"generation_cfg": {"generation_mode": "greedy", "sampling_args": {"n": 2}}},
         "generation_cfg", "greedy"),
        ("act_tag", {"generation_cfg": {"generation_mode": "greedy", "sampling_args": {"n": 1, "best_of": 2}}},
         "generation_cfg", "greedy"),
        ("dst", {"generation_cfg": {"noisy_channel_prompt_mode": "non_causal_sys_act_resp_only_noisy_channel"}},
         "generation_cfg.noisy_channel_prompt_mode", "'noisy_channel_dst'"),
        ("act_tag", {"generation_cfg": {"prompt_mode": "causal_dst"}}, "generation_cfg.prompt_mode",
         "'non_causal_sys_act_resp_only'"),
        ("dst", {"retriever": {"k_examples": 3, "minimum_distinct": 4}}, "retriever", "minimum_distinct (4)"),
        ("dst", {"retriever": {"type": "none", "use_retriever": True}}, "retriever", "use_retriever"),
        ("act_tag", {"retriever": {"retrieval_input_format": "context_system_user"}},
         "retriever.retrieval_input_format", "'user_response'"),
        ("act_tag", {"module_type": "dst"}, "module_type", "'act_tag'"),
        ("dst", {"model": {"load_in_8bit": True, "load_in_4bit": True}}, "model", "choose one"),
        ("dst", {"model": {"stop_sequences": ["\n", ""]}}, "model", "empty string"),
        ("dst", {"generation_cfg": {"sampling_args": {"n": True}}}, "generation_cfg.sampling_args.n", "integer"),
    ],
)
def test_contradictory_and_misplaced_options_are_refused(task, section, path, words):
    found = problems(minimal(**{task: section}))

    assert len(found) == 1
    assert found[0].startswith((f"{task}.{path}:", f"{task}.{path} ="))
    assert words in found[0]


def test_a_manifest_that_is_neither_read_nor_written_need_not_exist():
    manifest = {**minimal()["manifest"], "write_to_manifest": False, "group_id_must_exist": True}

    assert "group_id_must_exist" in problems(minimal(manifest=manifest))[0]
    assert parse_job(minimal(manifest={**manifest, "seed_retrievers_from_manifest": True}))


@pytest.mark.parametrize("group", ["a/b", "..", "", "x" * 201, "a b", "a\nb"])
def test_a_group_that_cannot_be_a_file_name_is_refused(group):
    job = minimal(manifest={**minimal()["manifest"], "group_id": group})

    assert problems(job)[0].startswith("manifest.group_id = ")


@pytest.mark.parametrize(("section", "key", "place", "words"), [
    ("data", "eval_set_path_or_name", "~/logs.jsonl", "write the whole path"),
    ("data", "schema_path", "~me/schema.json", "write the whole path"), ("data", "entities_path", "a\0b", "no file name"),
    ("output", "labels_url", "~/labels", "write the whole path"), ("output", "labels_url", "", "at least 1 character"),
    ("manifest", "manifest_path", "~/manifest", "write the whole path"), ("manifest", "manifest_path", "", "1 character"),
])
def test_a_place_that_another_machine_could_not_find_is_refused(section, key, place, words):
    [problem] = problems(minimal(**{section: {**minimal().get(section, {}), key: place}}))

    assert problem.startswith(f"{section}.{key}") and words in problem


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be a section"),
        ('{"data": {}', "line 1, column 12"),
        ('{"seed": 1, // mine\n}', "JSON has no comments, no comma after a last item"),
        (b"\xff", "not UTF-8"),
        ("[" * 100_000, "too deeply"),
        ('{"data": {"format": "a", "format": "b"}}', "'format' appears twice"),
        ('{"seed": "\\ud800"}', "invalid JSON"),
        ({"seed": float("nan")}, "seed = NaN"),
        ({"seed": object()}, "not JSON data"),
    ],
)
def test_hostile_job_files_are_one_permanent_error_that_names_the_file(text, words):
    with pytest.raises(PermanentError) as caught:
        parse_job(text, "some.json")

    assert str(caught.value).startswith("some.json: ")
    assert words in str(caught.value)


def test_left_out_options_follow_those_that_are_given():
    greedy = parse_job(minimal(dst={"generation_cfg": {"generation_mode": "greedy"}}))
    few = parse_job(minimal(dst={"retriever": {"k_examples": 2}}))

    assert greedy.dst.generation_cfg.sampling_args.n == 1
    assert few.dst.retriever.minimum_distinct == 2
    assert not parse_job(minimal(dst={"retriever": {"type": "none"}})).dst.retriever.is_enabled


@pytest.mark.parametrize(
    ("path", "value", "changes_labels"),
    [
        ("dst.model.batch_size", 1, False), ("act_tag.model.device_map", "cpu", False), ("wandb", {"a": 1}, False),
        ("profile", True, False), ("output.labels_url", "s3://b", False), ("manifest.manifest_path", "other", False),
        ("run_id", "again", False), ("dst.retriever.minimum_distinct", 4, False), ("seed", 1, True),
        ("data.eval_set_split_name", "train_50_100", True), ("dst.model.load_in_8bit", True, True),
        ("act_tag.generation_cfg.sampling_args.top_p", 0.7, True), ("data_warmup", 0, True),
        ("manifest.group_id", "g2", True),
        ("manifest.seed_retrievers_from_manifest", True, True), ("dst.add_predictions_to_index", False, True),
    ],
)
def test_the_fingerprint_changes_with_what_can_change_a_label_and_with_nothing_else(path, value, changes_labels):
    job = copy.deepcopy(minimal())
    *parents, key = path.split(".")
    section = job
    for parent in parents:
        section = section.setdefault(parent, {})
    section[key] = value

    assert (parse_job(job).fingerprint != parse_job(minimal()).fingerprint) == changes_labels


def test_a_run_is_named_after_its_split_and_fingerprint_unless_the_job_names_it():
    job = parse_job(minimal())

    assert job.run == f"train_0_50-{job.fingerprint[:8]}"
    assert parse_job(minimal(run_id="first")).run == "first"


def test_a_job_is_frozen():
    job = parse_job(minimal())

    with pytest.raises(ValidationError, match="frozen"):
        job.dst.retriever.k_examples = 3


def test_a_number_of_thousands_of_digits_is_refused():
    with pytest.raises(ConfigError, match="job.json: holds a number that is too long"):
        parse_job(f'{{"seed": {"9" * 5000}}}')


def test_the_committed_json_schema_is_current():
    committed = json.loads((ROOT / "docs" / "job.schema.json").read_text())

    assert committed == job_schema(), "run: nc-latent-tod job-schema > docs/job.schema.json"
