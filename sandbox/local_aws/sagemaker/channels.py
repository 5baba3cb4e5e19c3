"""Input data of a job: S3 sources of a channel or a processing input, downloaded into a folder.

Kinds of source as the API reference of S3DataSource defines them; with one host, ShardedByS3Key gives that
host all keys. Pipe mode is not offered here: it would need a FIFO fed per epoch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws.lifecycle import JobFailedError
from local_aws.sagemaker import words
from local_aws.storage import InvalidPathError, S3Uri, Storage, StorageError, inside, parse, relative_name


@dataclass(frozen=True, slots=True)
class Reader:
    """Who downloads: the storage, and what the refusals name."""

    storage: Storage
    region: str
    role_arn: str

    def download(self, data_type: str, uri: str, folder: Path) -> int:
        """Fetch one source into `folder`; JobFailedError in AWS's words when there is nothing to fetch."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            match data_type:
                case "S3Prefix":
                    return self._prefix(uri, folder)
                case "ManifestFile":
                    return self._manifest(uri, folder)
                case "AugmentedManifestFile":
                    location = self._located(uri)
                    self.storage.fetch(location, folder / Path(location.key).name)
                    return 1
                case _:
                    raise JobFailedError(words.client_error(f"Data download failed:{data_type} is not supported here"))
        except StorageError as error:
            raise JobFailedError(words.client_error(f"Data download failed:{self._refused(error, uri)}")) from error
        except InvalidPathError as error:
            raise JobFailedError(words.client_error(f"Data download failed:{error}")) from error

    def _prefix(self, uri: str, folder: Path) -> int:
        location = self._located(uri)
        names = {key: relative_name(key, location.key) for key in self.storage.keys(location) if not key.endswith("/")}
        if not names:
            raise JobFailedError(words.client_error(f"Data download failed:{words.no_objects(uri, self.region, self.role_arn)}"))
        return self.storage.fetch_keys(location.bucket, names, folder)

    def _manifest(self, uri: str, folder: Path) -> int:
        try:
            found = manifest(self.storage, self._located(uri))
        except ValueError as error:
            raise JobFailedError(words.client_error(f"Data download failed:{error}")) from error
        for location, name in found.items():
            self.storage.fetch(parse(location), inside(folder, name))
        return len(found)

    def _located(self, uri: str) -> S3Uri:
        try:
            return parse(uri)
        except ValueError as error:
            raise JobFailedError(words.client_error(f"Data download failed:{error}")) from error

    def _refused(self, error: StorageError, uri: str) -> str:
        if error.code in {"NoSuchBucket", "NoSuchKey"}:
            return words.no_objects(uri, self.region, self.role_arn)
        return f"{error.code}: {error.message} (accessing {uri})"


def manifest(storage: Storage, location: S3Uri) -> dict[str, str]:
    """URI -> name of every object that a manifest file lists: `[{"prefix": "s3://b/p/"}, "name", ...]`. ValueError for any other."""
    try:
        prefix, *names = json.loads(storage.read(location))
        base = parse(prefix["prefix"])
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(f"Invalid manifest file {location}: {error}") from error
    return {str(S3Uri(base.bucket, base.key + str(name))): str(name) for name in names}


def channel_source(channel: Mapping[str, Any]) -> tuple[str, str] | None:
    """(S3DataType, S3Uri) of a training channel; None for a file system source."""
    source = channel["DataSource"].get("S3DataSource")
    return None if source is None else (source["S3DataType"], source["S3Uri"])
