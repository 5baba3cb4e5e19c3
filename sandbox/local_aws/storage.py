"""S3 as the jobs of SageMaker and Glue use it: prefixes to folders, folders to prefixes, folders to archives.

Used by `sagemaker` and `glue`; talks to whatever answers S3 behind this local AWS, with internal credentials.
"""

from __future__ import annotations

import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from botocore.exceptions import ClientError


@dataclass(frozen=True, slots=True)
class S3Uri:
    """A parsed `s3://bucket/key`; the key may be empty or a prefix."""

    bucket: str
    key: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.key}"

    def join(self, *parts: str) -> S3Uri:
        """The location below this one, with exactly one slash between the parts."""
        pieces = [self.key.strip("/"), *(part.strip("/") for part in parts)]
        return S3Uri(self.bucket, "/".join(piece for piece in pieces if piece))


class StorageError(Exception):
    """An S3 call was refused; `code` is S3's own error code (`NoSuchBucket`, `NoSuchKey`, `AccessDenied`)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class InvalidPathError(Exception):
    """A key or an archive member would be written outside the job's folder."""


def parse(uri: str) -> S3Uri:
    """Split an S3 URI; ValueError for anything else."""
    scheme, _, rest = uri.partition("://")
    bucket, _, key = rest.partition("/")
    if scheme != "s3" or not bucket:
        raise ValueError(f"{uri!r} is not an S3 URI of the form s3://bucket/key")
    return S3Uri(bucket, key)


def relative_name(key: str, prefix: str) -> str:
    """The file name that SageMaker gives an object found under an S3 prefix.

    A prefix that is a whole key gives the base name, a prefix that is a folder the path below it; a prefix
    that ends inside a name keeps that name.
    """
    if key == prefix:
        return PurePosixPath(key).name
    if key.startswith(prefix.rstrip("/") + "/"):
        return key[len(prefix.rstrip("/")) + 1 :] if prefix else key
    folder, _, _ = prefix.rpartition("/")
    return key[len(folder) + 1 :] if folder else key


class Storage:
    """S3 of one account; every refusal is a StorageError with S3's own code.

    Writes go through the boto3 client, so that notifications fire. Reads come straight from moto's store in
    this process: a request costs 3 ms of CPU, which was most of what a small job cost.
    """

    def __init__(self, client: Any, account: str) -> None:
        self._client = client
        self._account = account

    def keys(self, uri: S3Uri) -> list[str]:
        """Every object key that begins with the URI's key, sorted."""
        found: Any = self._backend().list_objects(self._bucket(uri), uri.key or None, None, None, None)[0]
        return [key.name for key in found]

    def read(self, uri: S3Uri) -> bytes:
        """The newest version of an object."""
        self._bucket(uri)
        key: Any = self._backend().get_object(uri.bucket, uri.key)
        if key is None:
            raise StorageError("NoSuchKey", f"The specified key does not exist: {uri}")
        body: bytes = key.value
        return body

    def exists(self, uri: S3Uri) -> bool:
        """Whether an object or a prefix with objects is there; False for a missing bucket too."""
        try:
            return bool(self.keys(uri))
        except StorageError:
            return False

    def fetch(self, uri: S3Uri, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.read(uri))

    def fetch_keys(self, bucket: str, names: dict[str, str], folder: Path) -> int:
        """Download key -> relative name into `folder`; returns the number of files written."""
        folder.mkdir(parents=True, exist_ok=True)
        for key, name in names.items():
            self.fetch(S3Uri(bucket, key), inside(folder, name))
        return len(names)

    def put(self, uri: S3Uri, body: bytes) -> None:
        self._call("put_object", Bucket=uri.bucket, Key=uri.key, Body=body)

    def put_file(self, uri: S3Uri, path: Path) -> None:
        with path.open("rb") as body:
            self._call("put_object", Bucket=uri.bucket, Key=uri.key, Body=body)

    def put_folder(self, uri: S3Uri, folder: Path, newer_than: float = 0.0) -> int:
        """Upload the regular files below `folder` modified after `newer_than`; returns their number."""
        count = 0
        for path in sorted(folder.rglob("*")):
            if path.is_file() and not path.is_symlink() and path.stat().st_mtime > newer_than:
                self.put_file(uri.join(path.relative_to(folder).as_posix()), path)
                count += 1
        return count

    def put_archive(self, uri: S3Uri, folder: Path, scratch: Path) -> None:
        """Upload the content of `folder` as one tar.gz, written to `scratch` first."""
        with tarfile.open(scratch, "w:gz", compresslevel=1) as archive:
            for path in sorted(folder.iterdir()):
                archive.add(path, arcname=path.name)
        self.put_file(uri, scratch)
        scratch.unlink()

    def _backend(self) -> Any:
        # Imported here: moto costs a second, which a tool that only reads this module need not pay.
        from moto.s3.models import s3_backends

        return s3_backends[self._account]["aws"]

    def _bucket(self, uri: S3Uri) -> Any:
        backend = self._backend()
        if uri.bucket not in backend.buckets:
            raise StorageError("NoSuchBucket", f"The specified bucket does not exist: {uri.bucket}")
        return backend.buckets[uri.bucket]

    def _call(self, operation: str, **arguments: object) -> Any:
        try:
            return getattr(self._client, operation)(**arguments)
        except ClientError as error:
            detail = error.response["Error"]
            raise StorageError(detail.get("Code", "Unknown"), detail.get("Message", str(error))) from error


def inside(folder: Path, name: str) -> Path:
    """`folder/name`, refused when the name climbs out of the folder."""
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        raise InvalidPathError(f"the object name {name!r} leads out of the folder that it is downloaded to")
    return folder / name
