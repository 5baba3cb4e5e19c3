"""S3 as the operator uses it: identities of inputs, content-addressed sources, small JSON documents.

Problems that a person has to mend are ValueErrors in words for the status; AWS's failures stay AwsFailures.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.naming import digest

SOURCE_LIMIT = 20 * 1024 * 1024  # bytes, packed; what a pass may hold in memory
UNPACKED_LIMIT = 100 * 1024 * 1024
OBJECT_LIMIT = 100_000


class NotThereError(ValueError):
    """What a URI names does not exist (yet)."""


@dataclass(frozen=True, slots=True)
class InputVersion:
    """What an S3 URI holds now. size in bytes."""

    uri: str
    digest: str
    objects: int
    size: int


def split(uri: str) -> tuple[str, str]:
    """s3://bucket/key -> (bucket, key); ValueError otherwise."""
    bucket, slash, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not slash:
        raise ValueError(f"{uri} is not an S3 URI such as s3://bucket/folder/")
    return bucket, key


async def resolve_input(aws: Aws, scope: Scope, uri: str) -> InputVersion:
    """Identity of everything under `uri`: key, version, ETag and size of each object, noncurrent versions left out.

    ListObjectVersions answers for buckets without versions too (VersionId "null"), so nobody has to ask which kind it is.
    """
    bucket, prefix = split(uri)
    found: list[list[Any]] = []
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    while True:
        try:
            answer = await aws.call(scope, "s3", "ListObjectVersions", parameters)
        except AwsFailure as error:
            if error.category is Category.NOT_FOUND:
                raise ValueError(f"bucket {bucket} does not exist") from error
            raise
        latest = (item for item in answer.get("Versions", ()) if item["IsLatest"])
        found += [[item["Key"], item["VersionId"], item["ETag"], item["Size"]] for item in latest]
        if len(found) > OBJECT_LIMIT:
            raise ValueError(f"{uri} holds more than {OBJECT_LIMIT} objects: name a smaller prefix")
        if not answer.get("IsTruncated"):
            break
        parameters |= {"KeyMarker": answer["NextKeyMarker"], "VersionIdMarker": answer["NextVersionIdMarker"]}
    if not prefix.endswith("/"):
        found = [item for item in found if item[0] == prefix]
    if not found:
        raise ValueError(f"{uri} holds no object: upload the data, or correct the URI")
    return InputVersion(uri, digest(sorted(found)), len(found), sum(item[3] for item in found))


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar.gz that is the same bytes for the same files: sorted, without times, users and modes of their own."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", mtime=0) as zipped,
        tarfile.open(fileobj=zipped, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(files[name]), 0o644
            tar.addfile(member, io.BytesIO(files[name]))
    return packed.getvalue()


def _unzipped(archive: bytes) -> bytes:
    """The whole tar, headers included, which tarfile reads without a limit: a small archive can hold a huge header."""
    with gzip.GzipFile(fileobj=io.BytesIO(archive)) as zipped:
        content = zipped.read(UNPACKED_LIMIT + 1)
    if len(content) > UNPACKED_LIMIT:
        raise ValueError(f"the archive unpacks to more than {UNPACKED_LIMIT} bytes")
    return content


def unpack(archive: bytes) -> dict[str, bytes]:
    """The regular files of a tar.gz by relative path. ValueError for paths that leave the archive and for too much content."""
    files: dict[str, bytes] = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(_unzipped(archive)), mode="r:") as tar:
            for member in tar:
                name = member.name.removeprefix("./")
                if name.startswith("/") or ".." in name.split("/"):
                    raise ValueError(f"the archive holds {member.name}, which leads out of it")
                if not member.isfile():
                    continue
                content = tar.extractfile(member)
                files[name] = content.read() if content else b""
    except (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"the archive is not a tar.gz: {error}") from error
    return files


async def fetch_source(aws: Aws, scope: Scope, uri: str, sha256: str) -> dict[str, bytes]:
    """The files of a packed source whose bytes have the digest that the spec pins."""
    content = await _body(aws, scope, uri, SOURCE_LIMIT)
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256.lower():
        raise ValueError(f"the object's SHA-256 is {actual}, the spec pins {sha256}")
    return unpack(content)


async def put_source(aws: Aws, scope: Scope, uri: str, files: Mapping[str, bytes], kms_key_arn: str | None) -> None:
    """Upload `files`: packed when the URI ends in .tar.gz, one object each under a URI that ends in /. Skips what is there."""
    if uri.endswith(".tar.gz"):
        await _put_once(aws, scope, uri, pack(files), kms_key_arn)
        return
    for name in sorted(files):
        await _put_once(aws, scope, f"{uri}{name}", files[name], kms_key_arn)


async def read_json(aws: Aws, scope: Scope, uri: str, limit: int) -> Any:
    """A JSON document of at most `limit` bytes. ValueError when it is missing, too large or not JSON."""
    content = await _body(aws, scope, uri, limit)
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{uri} is not JSON: {error}") from error


async def keys_under(aws: Aws, scope: Scope, uri: str, limit: int) -> list[str]:
    """Keys of at most `limit` objects whose key begins as `uri` says, in S3's order; none when there is no such bucket."""
    bucket, prefix = split(uri)
    found: list[str] = []
    parameters: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix, "MaxKeys": min(limit, 1000)}
    while True:
        try:
            answer = await aws.call(scope, "s3", "ListObjectsV2", parameters)
        except AwsFailure as error:
            if error.category is Category.NOT_FOUND:
                return []
            raise
        found += [item["Key"] for item in answer.get("Contents", ())]
        if not answer.get("IsTruncated") or len(found) >= limit:
            return found[:limit]
        parameters = {**parameters, "ContinuationToken": answer["NextContinuationToken"]}


async def etag_of(aws: Aws, scope: Scope, uri: str) -> str | None:
    """The ETag of an object, which changes with its bytes; None when there is no such object."""
    bucket, key = split(uri)
    try:
        head = await aws.call(scope, "s3", "HeadObject", {"Bucket": bucket, "Key": key})
    except AwsFailure as error:
        if error.category is Category.NOT_FOUND:
            return None
        raise
    return str(head["ETag"]).strip('"')


async def _body(aws: Aws, scope: Scope, uri: str, limit: int) -> bytes:
    bucket, key = split(uri)
    try:
        head = await aws.call(scope, "s3", "HeadObject", {"Bucket": bucket, "Key": key})
        if head["ContentLength"] > limit:
            raise ValueError(f"{uri} has {head['ContentLength']} bytes, more than {limit}")
        content: bytes = (await aws.call(scope, "s3", "GetObject", {"Bucket": bucket, "Key": key}))["Body"]
    except AwsFailure as error:
        if error.category is Category.NOT_FOUND:
            raise NotThereError(f"{uri} does not exist") from error
        raise
    return content


async def _put_once(aws: Aws, scope: Scope, uri: str, content: bytes, kms_key_arn: str | None) -> None:
    bucket, key = split(uri)
    try:
        await aws.call(scope, "s3", "HeadObject", {"Bucket": bucket, "Key": key})
        return
    except AwsFailure as error:
        if error.category is not Category.NOT_FOUND:
            raise
    encryption = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key_arn} if kms_key_arn else {}
    await aws.call(scope, "s3", "PutObject", {"Bucket": bucket, "Key": key, "Body": content, **encryption})
