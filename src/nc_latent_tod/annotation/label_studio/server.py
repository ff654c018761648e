"""The requests to a Label Studio server: its failures are errors that say what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import httpx2

from nc_latent_tod.annotation.label_studio import KEY_VARIABLE
from nc_latent_tod.errors import ConfigError, RetryableError

_PAGE = 100  # tasks or projects a request
_TIMEOUT_S = 120.0  # an export is made while one waits


class LabelStudio:
    """One server. `key` is a legacy token, or a personal access token, from which short-lived ones are made."""

    def __init__(self, url: str, key: str) -> None:
        self.url = url.rstrip("/")
        if not key:
            raise ConfigError(f"There is no key for {self.url}: set the environment variable {KEY_VARIABLE} to the access "
                              "token of your account there (Account & Settings).")
        if not (key.isascii() and key.isprintable()):  # and is not shown: what reads logs may read errors
            raise ConfigError(f"The key in {KEY_VARIABLE} has a character that no access token has: copy it again.")
        try:
            self._client = httpx2.Client(base_url=self.url, timeout=_TIMEOUT_S)
        except httpx2.InvalidURL as error:
            raise ConfigError(f"{url!r} is no address of a server ({error}): http://HOST:PORT is.") from None
        self._client.headers["Authorization"] = f"Bearer {self._access(key)}" if key.count(".") == 2 else f"Token {key}"

    def __enter__(self) -> LabelStudio:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._client.close()

    def projects(self, title: str) -> list[dict[str, Any]]:
        """The projects of exactly this title, oldest first."""
        found = [p for p in self._paged("/api/projects", "results", title=title) if p.get("title") == title]
        return sorted(found, key=lambda project: int(project["id"]))

    def create_project(self, title: str, config: str, model_version: str) -> int:
        """A project that asks for the least sure task first; its id."""
        made = self._ask("POST", "/api/projects", json={
            "title": title, "label_config": config, "sampling": "Uncertainty sampling", "show_collab_predictions": True,
            "model_version": model_version, "show_skip_button": False})
        return int(self._part(made, "id"))

    def task_data(self, project: int) -> list[dict[str, Any]]:
        """The data of every task."""
        return [task["data"] for task in self._paged("/api/tasks", "tasks", project=project, fields="all")]

    def add_tasks(self, project: int, tasks: Sequence[dict[str, Any]]) -> None:
        """Import tasks with their predictions, all or none. The server takes a task twice."""
        self._ask("POST", f"/api/projects/{project}/import", json=list(tasks))

    def export(self, project: int) -> list[dict[str, Any]]:
        """All tasks with their annotations, as its `JSON` export."""
        return self._rows(self._ask("GET", f"/api/projects/{project}/export",
                                    params={"exportType": "JSON", "download_all_tasks": "true"}))

    def users(self) -> dict[int, str]:
        """Address by id."""
        found = self._rows(self._ask("GET", "/api/users/"))
        return {user["id"]: user.get("email") or user.get("username") or "" for user in found}

    def _access(self, key: str) -> str:
        return str(self._part(self._ask("POST", "/api/token/refresh", json={"refresh": key}), "access"))

    def _paged(self, path: str, name: str, **params: Any) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            found = self._rows(self._part(self._ask("GET", path, params={**params, "page": page, "page_size": _PAGE}), name))
            yield from found
            if len(found) < _PAGE:
                return
            page += 1

    def _part(self, answer: Any, name: str) -> Any:
        if isinstance(answer, dict) and name in answer:
            return answer[name]
        raise ConfigError(f"{self.url} answers without {name!r}: {str(answer)[:100]}. Is it a Label Studio server?")

    def _rows(self, answer: Any) -> list[dict[str, Any]]:
        if isinstance(answer, list) and all(isinstance(row, dict) for row in answer):
            return answer
        raise ConfigError(f"{self.url} answers {str(answer)[:100]!r} in place of a list. Is it a Label Studio server?")

    def _ask(self, method: str, path: str, **request: Any) -> Any:
        """The decoded answer.

        Raises `ConfigError` where key, address or request are refused, `RetryableError` where the server fails or is not there.
        """
        try:
            answer = self._client.request(method, path, **request)
        except httpx2.TransportError as error:
            raise RetryableError(f"The server at {self.url} does not answer ({error}). Start it (scripts/label_studio starts "
                                 "one on this machine), or correct the URL.") from error
        said = f"{answer.status_code}: {answer.text[:300]}"
        if answer.status_code in (401, 403):
            raise ConfigError(f"{self.url} refuses the key ({said}). Set {KEY_VARIABLE} to a valid access token of your "
                              "account there.")
        if answer.status_code == 429 or answer.status_code >= 500:
            raise RetryableError(f"{self.url} failed at {path} ({said}). Try again; see the server's log. An export fails "
                                 "where the creator of the project has no legacy token.")
        if answer.is_success:
            try:
                return answer.json()
            except ValueError:
                said = f"{answer.status_code}, which is no JSON: {answer.text[:100]!r}"
        raise ConfigError(f"{self.url} refuses {method} {path} ({said}). Is it a Label Studio server, and may your account do "
                          "that?")
