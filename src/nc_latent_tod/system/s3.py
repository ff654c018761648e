"""S3 as an fsspec file system, through boto3: whole objects in, whole objects out, nothing cached.

`s3://BUCKET/KEY` works wherever this package takes a URL, once `register` was called. An object is put in one request, so it
is there whole or not at all, and whoever reads after a write sees it.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import fsspec

from nc_latent_tod.errors import RetryableError
from nc_latent_tod.system import aws

_DELETED_AT_ONCE = 1000  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
_LARGEST_PUT_BYTES = 5 * 1024**3  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html
_ABSENT, _PRESENT = {"NoSuchKey", "404"}, {"PreconditionFailed", "412"}


def register() -> None:
    """Let fsspec open `s3://` URLs with this file system, whether or not another one is installed. Costs no import of boto3."""
    fsspec.register_implementation("s3", "nc_latent_tod.system.s3.S3FileSystem", clobber=True)


class S3FileSystem(fsspec.AbstractFileSystem):
    """Objects of S3 by `bucket/key`. A folder is a common beginning of keys. Thread-safe.

    Failures are `OSError`s: `FileNotFoundError`, `FileExistsError`, and others where trying again may help; a bucket that does
    not exist is a `ConfigError`.
    """

    protocol = "s3"
    cachable = False  # a client belongs to one process

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **options: Any) -> None:
        """Put a whole object; with `mode="create"` only where there is none, else `FileExistsError`."""
        bucket, key = _split(path)
        if len(value) > _LARGEST_PUT_BYTES:
            raise OSError(f"s3://{path}: {len(value)} bytes do not fit into one request. Use smaller partitions.")
        condition = {"IfNoneMatch": "*"} if mode == "create" else {}
        try:
            with _os_errors(f"write s3://{path}"):
                self._client.put_object(Bucket=bucket, Key=key, Body=value, **condition)
        except FileExistsError:
            if self.cat_file(path) != value:  # else it may be our own, its answer lost on the way
                raise

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **options: Any) -> bytes:
        """A whole object, or the bytes from `start` to `end`."""
        bucket, key = _split(path)
        with _os_errors(f"read s3://{path}"):
            return self._client.get_object(Bucket=bucket, Key=key)["Body"].read()[start:end]

    def cp_file(self, path1: str, path2: str, **options: Any) -> None:
        """Copy an object on the server, in one request: no byte of it comes here."""
        (source, key), (target, new) = _split(path1), _split(path2)
        with _os_errors(f"copy s3://{path1}"):
            self._client.copy_object(Bucket=target, Key=new, CopySource={"Bucket": source, "Key": key})

    def info(self, path: str, **options: Any) -> dict[str, Any]:
        """Name, type and size of an object or folder."""
        bucket, _, key = self._strip_protocol(path).partition("/")
        if key:
            try:
                with _os_errors(f"look up s3://{path}"):
                    return _file(f"{bucket}/{key}", self._client.head_object(Bucket=bucket, Key=key), "ContentLength")
            except FileNotFoundError:
                pass
        if next(self._pages(path, delimiter="", count=1)).get("Contents"):
            return {"name": f"{bucket}/{key}".rstrip("/"), "type": "directory", "size": 0}
        raise FileNotFoundError(f"s3://{path}")

    def exists(self, path: str, **options: Any) -> bool:
        """Whether an object or folder is there. A storage that cannot be reached is an `OSError`, not an empty one."""
        try:
            self.info(path)
        except FileNotFoundError:
            return False
        return True

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        """What is right below a folder, or the object itself."""
        bucket = self._strip_protocol(path).partition("/")[0]
        found = []
        for page in self._pages(path, delimiter="/"):
            found += [_file(f"{bucket}/{item['Key']}", item, "Size") for item in page.get("Contents", ())]
            found += [{"name": f"{bucket}/{item['Prefix']}".rstrip("/"), "type": "directory", "size": 0}
                      for item in page.get("CommonPrefixes", ())]
        found = found or [self.info(path)]
        return found if detail else [item["name"] for item in found]

    def find(self, path: str, maxdepth: int | None = None, withdirs: bool = False, detail: bool = False, **options: Any) -> Any:
        """All objects below a folder, at any depth."""
        bucket = self._strip_protocol(path).partition("/")[0]
        items = (item for page in self._pages(path, delimiter="") for item in page.get("Contents", ()))
        found = {f"{bucket}/{item['Key']}": _file(f"{bucket}/{item['Key']}", item, "Size") for item in items}
        return found if detail else sorted(found)

    def rm(self, path: str | Sequence[str], recursive: bool = False, maxdepth: int | None = None) -> None:
        """Delete objects, and with `recursive` everything below a folder. Raises `OSError` naming what could not be deleted."""
        keys: dict[str, list[str]] = {}
        for each in [path] if isinstance(path, str) else path:
            bucket, key = self._strip_protocol(each).split("/", 1)
            below = [name.partition("/")[2] for name in self.find(each)] if recursive else []
            keys.setdefault(bucket, []).extend(below or [key])
        for bucket, of_bucket in keys.items():
            self._delete(bucket, of_bucket)

    def rm_file(self, path: str) -> None:
        """Delete an object; one that is not there is no error in S3."""
        self.rm(path)

    def mkdir(self, path: str, create_parents: bool = True, **options: Any) -> None:
        """Nothing: a folder is there once something is in it."""

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Nothing: a folder is there once something is in it."""

    def _open(self, path: str, mode: str = "rb", *arguments: Any, **options: Any) -> Any:
        if mode != "rb":
            raise NotImplementedError("objects are written whole: use pipe_file")
        return io.BytesIO(self.cat_file(path))

    @cached_property
    def _client(self) -> Any:
        return aws.client("s3")

    def _pages(self, path: str, *, delimiter: str, count: int = 1000) -> Iterator[dict[str, Any]]:
        bucket, _, key = self._strip_protocol(path).partition("/")
        prefix = f"{key.rstrip('/')}/" if key else ""
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=bucket, Prefix=prefix, Delimiter=delimiter, PaginationConfig={"PageSize": count})
        with _os_errors(f"list s3://{path}"):
            yield from pages

    def _delete(self, bucket: str, keys: Sequence[str]) -> None:
        for start in range(0, len(keys), _DELETED_AT_ONCE):
            objects = [{"Key": key} for key in keys[start : start + _DELETED_AT_ONCE]]
            with _os_errors(f"delete objects of s3://{bucket}"):
                answer = self._client.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                first = errors[0]
                raise OSError(f"{len(errors)} objects of s3://{bucket} were not deleted, {first.get('Key')!r} for one: "
                              f"{first.get('Code')} {first.get('Message')}")


@contextmanager
def _os_errors(doing: str) -> Iterator[None]:
    from botocore.exceptions import ClientError

    try:
        with aws.clear_errors(doing):
            try:
                yield
            except ClientError as error:
                if aws.error_code(error) in _ABSENT:
                    raise FileNotFoundError(f"Cannot {doing}: it is not there") from error
                if aws.error_code(error) in _PRESENT:
                    raise FileExistsError(f"Cannot {doing}: it is there already") from error
                raise
    except RetryableError as error:
        raise OSError(str(error)) from error


def _split(path: str) -> tuple[str, str]:
    bucket, _, key = S3FileSystem._strip_protocol(path).partition("/")
    if not (bucket and key):
        raise FileNotFoundError(f"s3://{path}: name a bucket and a key")
    return bucket, key


def _file(name: str, item: dict[str, Any], size: str) -> dict[str, Any]:
    return {"name": name, "type": "file", "size": item[size], "mtime": item["LastModified"].timestamp()}
