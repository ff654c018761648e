"""Notes in the folder of a queue: `<queue>/<kind>/<name>.json`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote
from uuid import uuid4

from nc_latent_tod.queues.folder.files import QueueFolder
from nc_latent_tod.system.durable import sync_folder, write_new


class FolderNotes:
    """Notes as files. Safe for many processes and threads: a note is whole or not there."""

    beat_s = 2.0

    def __init__(self, folder: QueueFolder) -> None:
        self._folder = folder

    def write(self, kind: str, name: str, values: Mapping[str, Any], *, durable: bool = False) -> None:
        """Replace the file of a note."""
        scratch, target = self._folder.scratch / f"note-{uuid4().hex}", self._folder.path / kind / _file_name(name)
        with self._folder.clear_errors(f"write the note {target}"):
            target.parent.mkdir(exist_ok=True)  # without parents: a queue that was removed does not come back
            write_new(scratch, json.dumps(values, indent=2) + "\n", durable=durable)
            os.replace(scratch, target)
            if durable:
                sync_folder(target.parent)

    def read(self, kind: str) -> dict[str, dict[str, Any]]:
        """Read the files of a kind."""
        found = {}
        with self._folder.clear_errors(f"read the notes in {kind}/"):
            folder = self._folder.path / kind
            for path in sorted(folder.iterdir()) if folder.is_dir() else ():
                try:
                    values = json.loads(path.read_bytes())
                except (FileNotFoundError, ValueError):  # removed meanwhile, or cut by a power cut
                    continue
                if isinstance(values, dict) and path.suffix == ".json":
                    found[unquote(path.stem)] = values
        return found

    def remove(self, kind: str, name: str) -> None:
        """Remove the file of a note."""
        with self._folder.clear_errors(f"remove the note {name}"):
            (self._folder.path / kind / _file_name(name)).unlink(missing_ok=True)


def _file_name(name: str) -> str:
    return f"{quote(name, safe=' +=,@:')}.json"
