"""A dataset as the files of a Hub repository: Parquet shards and a card. Equal datasets give equal bytes."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datasets import DatasetDict

SHARD_BYTES = 500_000_000
"""Of Arrow memory in one Parquet file, as https://huggingface.co/docs/datasets/upload_dataset has it."""

CARD = "README.md"
DATA = "data/"  # what of a repository belongs to its dataset, and is deleted there when the dataset no longer has it


def write_files(dataset: DatasetDict, card: str, folder: Path, *, shard_bytes: int = SHARD_BYTES) -> dict[str, Path]:
    """Write the files of `dataset` below `folder`; returns them by their paths in the repository.

    `data/<split>-<number>-of-<count>.parquet`, and README.md: `card` with the columns, splits and data files of the
    dataset in its header.
    """
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from datasets.utils.metadata import MetadataConfigs
    from huggingface_hub import DatasetCard

    files: dict[str, Path] = {}
    splits = SplitDict()
    for split, data in dataset.items():
        count = max(1, min(len(data), math.ceil(data.data.nbytes / shard_bytes)))
        for number in range(count):
            name = f"{DATA}{split}-{number:05d}-of-{count:05d}.parquet"
            files[name] = folder / name
            files[name].parent.mkdir(exist_ok=True)
            _write(data.shard(count, number, contiguous=True), files[name])
        splits[split] = SplitInfo(split, num_bytes=data.data.nbytes, num_examples=len(data))
    size = sum(path.stat().st_size for path in files.values())
    features = next(iter(dataset.values())).features
    header = DatasetCard(card)
    DatasetInfosDict({"default": DatasetInfo(features=features, splits=splits, download_size=size,
                                             dataset_size=sum(info.num_bytes for info in splits.values()))}
                     ).to_dataset_card_data(header.data)
    MetadataConfigs({"default": {"data_files": [{"split": str(split), "path": f"{DATA}{split}-*"} for split in dataset]}}
                    ).to_dataset_card_data(header.data)
    files[CARD] = folder / CARD
    files[CARD].write_text(str(header), "utf-8")
    return files


def _write(shard: object, path: Path) -> None:
    from nc_latent_tod.publishing.folder import no_progress_bars

    with no_progress_bars():
        shard.to_parquet(path)  # type: ignore[attr-defined]
