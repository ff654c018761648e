"""A round into Label Studio: onto a server, or into a folder that its local storage reads. Pushing twice adds nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from nc_latent_tod.annotation.label_studio.project import Project, check_tasks
from nc_latent_tod.annotation.label_studio.server import LabelStudio
from nc_latent_tod.errors import ConfigError
from nc_latent_tod.system.files import write_bytes

CONFIG_FILE = "labeling_config.xml"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push did."""

    place: str  # the project's address, or the folder
    tasks: int  # in the project now
    added: int


def push(server: LabelStudio, made: Project) -> Pushed:
    """Make or find the round's project, and import the tasks that it lacks.

    Raises `ConfigError` where the project is there with another configuration, before anything is sent.
    """
    found = server.projects(made.title)
    if found:
        check_tasks(made.tasks, found[0]["label_config"], f"the project {made.title!r} at {server.url}")
    number = found[0]["id"] if found else server.create_project(made.title, made.config, made.model_version)
    there = {(data.get("round_sha256"), data.get("key")) for data in server.task_data(number)} if found else set()
    added = [task for task in made.tasks if (task["data"]["round_sha256"], task["data"]["key"]) not in there]
    if added:
        server.add_tasks(number, added)
    return Pushed(f"{server.url}/projects/{number}/data", len(there) + len(added), len(added))


def write_folder(made: Project, folder: str | Path) -> Pushed:
    """Write the labelling configuration, and `tasks/` with a JSON file a task, for a source storage of local files.

    Equal rounds give equal files. Raises `ConfigError` where the folder holds another round's.
    """
    root = Path(folder)
    names = [f"{number:05}.json" for number in range(len(made.tasks))]
    contents = [json.dumps(task, indent=1).encode() for task in made.tasks]
    there = {path.name: path.read_bytes() for path in root.glob("tasks/*.json")}
    new = dict(zip(names, contents, strict=True))
    if strange := sorted(name for name, data in there.items() if new.get(name) != data):
        raise ConfigError(f"{root}/tasks holds other tasks already ({', '.join(strange[:3])}): name an empty folder with "
                          "--to-dir.")
    write_bytes(root / CONFIG_FILE, made.config.encode())
    for name, data in new.items():
        write_bytes(root / "tasks" / name, data)
    return Pushed(str(root), len(new), len(set(new) - set(there)))
