"""Turn-level datasets in the published layout, on disk (`save_to_disk`) or on the Hugging Face Hub.

One row a turn: `system_utterances` and `user_utterances` list what was said up to this turn, so the last of each is the
turn's own, and `system_response` answers it. `user_utterances` ends with this turn's; `system_utterances` ends with the
utterance before it, which at a dialogue's first turn may be "none". Only the text columns are ever read: gold columns
are dropped before the first row is looked at, and need not exist.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nc_latent_tod.corpus.formats.speakers import dialogue_id_of, text
from nc_latent_tod.dialogue import Dialogue, Turn
from nc_latent_tod.errors import ConfigError, CorpusError, RetryableError

if TYPE_CHECKING:
    from datasets import Dataset, DatasetDict

TEXT_COLUMNS = ("dialogue_id", "turn_id", "system_utterances", "user_utterances", "system_response")


def is_saved_dataset(path: Path) -> bool:
    """True where `path` is a folder that `datasets` saved."""
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def saved_dataset(path: Path) -> DatasetDict:
    """Open a saved dataset; one without splits has the split `train`. Raises `CorpusError` where it is damaged."""
    import datasets
    from pyarrow import ArrowInvalid

    try:
        loaded = datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, ArrowInvalid) as error:
        raise CorpusError(f"{path}: not a readable saved dataset ({error}).") from error
    return loaded if isinstance(loaded, datasets.DatasetDict) else datasets.DatasetDict({"train": loaded})


def hub_dataset(name: str) -> DatasetDict:
    """Fetch a dataset of the Hub by `owner/name`.

    Raises `CorpusError` where it does not exist or access is refused, `RetryableError` where the Hub cannot be reached.
    """
    import datasets
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return datasets.load_dataset(name)
    except datasets.exceptions.DatasetNotFoundError as error:
        raise CorpusError(f"{name!r} is neither a path here nor a dataset of the Hugging Face Hub that you can read "
                          f"({error}). Check the name; for a private or gated one set HF_TOKEN.") from error
    except (FileNotFoundError, ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise CorpusError(f"{name!r} is not a path here, and not a readable dataset of the Hub: {error}.") from error
    except HfHubHTTPError as error:
        if error.response.status_code in (401, 403):
            raise CorpusError(f"{name!r} is not a path here, and the Hugging Face Hub refuses it ({error}). Set HF_TOKEN to a "
                              "token that may read it.") from error
        raise RetryableError(f"{name!r} is not a path here, and the Hub failed to send it ({error}).") from error
    except ConnectionError as error:
        if "OfflineModeIsEnabled" in str(error):
            raise ConfigError(f"{name!r} is not a path here, and HF_HUB_OFFLINE forbids to fetch it.") from error
        raise RetryableError(f"{name!r} is not a path here, and the Hub cannot be reached ({error}).") from error


def read_turns(dataset: Dataset, name: str) -> Iterator[tuple[str, Dialogue]]:
    """Yield (where, dialogue) from rows of turns. The rows of a dialogue stand together; turns are renumbered from 0.

    Raises `CorpusError` on a missing column, a repeated turn, or a row whose lists are empty.
    """
    missing = [column for column in TEXT_COLUMNS if column not in dataset.column_names]
    if missing:
        raise CorpusError(f"{name}: no column {', '.join(missing)}; there are {', '.join(dataset.column_names)}.")
    rows: list[tuple[str, Any]] = []
    for number, row in enumerate(dataset.select_columns(list(TEXT_COLUMNS))):
        where = f"{name}, row {number}"
        if rows and rows[0][1]["dialogue_id"] != row["dialogue_id"]:
            yield _dialogue(rows)
            rows = []
        rows.append((where, row))
    if rows:
        yield _dialogue(rows)


def _dialogue(rows: list[tuple[str, Any]]) -> tuple[str, Dialogue]:
    first = rows[0][0]
    dialogue_id = dialogue_id_of(rows[0][1]["dialogue_id"], first)
    try:
        rows = sorted(rows, key=lambda item: int(item[1]["turn_id"]))
    except (TypeError, ValueError):
        raise CorpusError(f"{first}: a 'turn_id' of dialogue {dialogue_id!r} is not a whole number.") from None
    for (_, a), (where, b) in zip(rows, rows[1:], strict=False):
        if int(a["turn_id"]) == int(b["turn_id"]):
            raise CorpusError(f"{where}: dialogue {dialogue_id!r} has turn_id {b['turn_id']} twice.")
    return first, Dialogue(dialogue_id, tuple(_turn(dialogue_id, i, *item) for i, item in enumerate(rows)))


def _turn(dialogue_id: str, turn_id: int, where: str, row: Any) -> Turn:
    for column in ("user_utterances", "system_utterances"):
        if not isinstance(row[column], list | None):
            raise CorpusError(f"{where}: {column!r} has to list what was said up to the turn, found {row[column]!r:.80}.")
    if not row["user_utterances"]:
        raise CorpusError(f"{where}: 'user_utterances' is empty.")
    before = row["system_utterances"] or [""]
    before_text = text(before[-1] or "", f"{where}, 'system_utterances'")
    return Turn(
        dialogue_id, turn_id,
        last_system_utterance="" if turn_id == 0 and before_text == "none" else before_text,
        user_utterance=text(row["user_utterances"][-1], f"{where}, 'user_utterances'"),
        system_response=text(row["system_response"] or "", f"{where}, 'system_response'"),
    )
