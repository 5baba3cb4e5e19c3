"""`package`: pack a folder of code into the archive that `source.s3` names, and upload it with the caller's own AWS credentials.

The same files make the same bytes and the same key: packing again uploads nothing and changes no spec.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.clients import Clients
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.operator_view import clients
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.errors import AwsFailure

LEFT_OUT = ("__pycache__",)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path, help="what to pack; hidden files and __pycache__ are left out")
    parser.add_argument("--to", default="", metavar="S3_URI", help="folder to upload to, as s3://bucket/sources/ (default: nothing)")
    parser.add_argument("--kms-key-arn", default="", help="encrypt with this key (default: as the bucket does)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    files = dict(_files(options.folder))
    packed = _checked(options.folder, files)
    digest = hashlib.sha256(packed).hexdigest()
    uri = f"{_folder(options.to)}{digest[:16]}.tar.gz" if options.to else ""
    say(f"{len(files)} files, {len(packed)} bytes packed{'' if uri else '; nothing is uploaded without --to'}")
    if uri:
        try:
            asyncio.run(_upload(uri, files, options.kms_key_arn))
        except AwsFailure as error:
            raise CommandError(f"{uri}: {error}") from error
    made = {"uri": uri, "sha256": digest, "files": sorted(files), "bytes": len(packed)}
    show(options.output, made, f"source:\n  s3: {{uri: {uri or 's3://...'}, sha256: {digest}}}")
    return 0


@dataclass(frozen=True, slots=True)
class _OwnCredentials:
    """aws.port.Aws for whoever runs the command: no tenant's role."""

    aws: Clients

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        return await self.aws.base_call(scope.region, service, operation, parameters)


async def _upload(uri: str, files: Mapping[str, bytes], kms_key_arn: str) -> None:
    aws, settings = clients("package")
    scope = Scope("", settings.aws_region, "", None, "", "", "")
    try:
        await storage.put_source(_OwnCredentials(aws), scope, uri, files, kms_key_arn or None)
    finally:
        aws.close()


def _files(folder: Path) -> Iterator[tuple[str, bytes]]:
    if not folder.is_dir():
        raise CommandError(f"{folder} is no folder", USAGE)
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        if any(part.startswith(".") or part in LEFT_OUT for part in parts) or path.is_dir():
            continue
        if path.is_symlink() or not path.is_file():
            raise CommandError(f"{path} is no regular file: an archive of links is different on every machine", USAGE)
        yield "/".join(parts), path.read_bytes()


def _checked(folder: Path, files: Mapping[str, bytes]) -> bytes:
    """The archive, which the operator would take."""
    if not files:
        raise CommandError(f"{folder} holds no file", USAGE)
    packed, size = storage.pack(files), sum(map(len, files.values()))
    if len(packed) > storage.SOURCE_LIMIT or size > storage.UNPACKED_LIMIT:
        limits = f"{storage.SOURCE_LIMIT} bytes packed and {storage.UNPACKED_LIMIT} unpacked"
        raise CommandError(
            f"{folder} has {len(packed)} bytes packed and {size} unpacked, a source may have {limits}: data belongs into `inputs`", USAGE
        )
    return packed


def _folder(uri: str) -> str:
    try:
        storage.split(uri)
    except ValueError as error:
        raise CommandError(f"--to: {error}", USAGE) from error
    return uri if uri.endswith("/") else f"{uri}/"
