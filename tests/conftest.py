"""What several test files share: AWS on loopback, and patience."""

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from aws_server import LocalAws
from hypothesis import settings
from toy_round import write_group

settings.register_profile("patient", deadline=None)  # a busy machine is no failure
settings.load_profile("patient")

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets its background jobs, and so our children, ignore it


SLOW = frozenset((
    "agent_commands", "aws_pipeline", "chaos", "cli", "create_aws", "deploy", "docs_aws", "em", "examples_run",
    "finetune", "fleet", "folder_queue", "gold", "huggingface_lm", "kill", "lm_loading", "mistakes", "next_steps",
    "openai_lm", "own_logs", "poison", "prediction_parity", "proposing", "queue_contract", "quickstart", "readme",
    "repository", "retrieval", "reuse", "scripts", "shared_attention", "slow_storage", "sqs_queue", "train", "visible",
    "wheel", "worker", "woz"))
"""Files that start processes and servers, train, or read whole corpora; `scripts/test --quick` leaves them out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.stem.removeprefix("test_") in SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="session")
def aws_server() -> Iterator[LocalAws]:
    """One server for all tests of this process."""
    with LocalAws() as server:
        yield server


@pytest.fixture
def aws(aws_server: LocalAws, monkeypatch: pytest.MonkeyPatch) -> LocalAws:
    """The server, with an environment that leads every AWS client to it."""
    for name, value in aws_server.environment.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    return aws_server


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working folder now, with the toy group and its round."""
    monkeypatch.chdir(tmp_path)
    write_group()
    return tmp_path
