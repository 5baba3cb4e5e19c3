"""`invoke`: one request to a ModelEndpoint with the caller's own AWS credentials; the answer on stdout, who gave it on stderr."""

from __future__ import annotations

import argparse
import asyncio
import base64
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sagemaker_gitops.cli.cluster import connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.operator_view import clients
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.resource import Key, Snapshot

CONTENT_TYPES = {".csv": "text/csv", ".json": "application/json", ".jsonl": "application/jsonlines", ".npy": "application/x-npy"}
DEFAULT_CONTENT_TYPE = "text/csv"
PAYLOAD_LIMIT = 25 * 1024 * 1024  # bytes; Amazon SageMaker Runtime API Reference, InvokeEndpoint


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the ModelEndpoint")
    parser.add_argument("--variant", default="", help="ask this variant (default: the shares decide)")
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--file", default="", help="file with the request, - for stdin")
    given.add_argument("--data", help="the request itself")
    parser.add_argument("--content-type", default="", help=f"default: by the file's name, else {DEFAULT_CONTENT_TYPE}")
    parser.add_argument("--accept", default="", help="form of the answer (default: the model's own)")
    parser.add_argument("-n", "--namespace", default="", help="default: the context's")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    body = _request(options)
    try:
        answer = asyncio.run(_ask(options, body))
    except AwsFailure as error:
        raise CommandError(_said(options.name, error)) from error
    content = answer.pop("content")
    say(f"variant {answer['variant']}, {answer['latencyMs']} ms, {answer['contentType'] or 'no content type'}")
    if options.output == "text":
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        if sys.stdout.isatty() and not content.endswith(b"\n"):
            sys.stdout.buffer.write(b"\n")
        return 0
    show(options.output, answer | _readable(content), "")
    return 0


def _request(options: argparse.Namespace) -> bytes:
    if options.data is not None:
        body = str(options.data).encode()
    elif options.file == "-":
        body = sys.stdin.buffer.read(PAYLOAD_LIMIT + 1)
    else:
        body = Path(options.file).read_bytes()
    if len(body) > PAYLOAD_LIMIT:
        raise CommandError(f"the request has more than the {PAYLOAD_LIMIT} bytes that an endpoint takes", USAGE)
    return body


async def _ask(options: argparse.Namespace, body: bytes) -> dict[str, Any]:
    cluster = connect(options.context)
    key = Key("ModelEndpoint", options.namespace or cluster.namespace, options.name)
    try:
        snapshot = await cluster.get(key)
    finally:
        await cluster.session.close()
    if snapshot is None:
        raise CommandError(f"there is no ModelEndpoint {key.name} in namespace {key.namespace} (-n names another)", USAGE)
    name, region = _place(snapshot)
    _check_variant(snapshot, options.variant)
    content_type = options.content_type or CONTENT_TYPES.get(Path(options.file).suffix, DEFAULT_CONTENT_TYPE)
    parameters: dict[str, Any] = {"EndpointName": name, "ContentType": content_type, "Body": body}
    parameters |= {"TargetVariant": options.variant} if options.variant else {}
    parameters |= {"Accept": options.accept} if options.accept else {}
    aws, _ = clients("invoke")
    try:
        started = time.monotonic()
        answer = await aws.base_call(region, "sagemaker-runtime", "InvokeEndpoint", parameters)
        took = time.monotonic() - started
    finally:
        aws.close()
    return {
        "endpoint": name,
        "variant": answer.get("InvokedProductionVariant", ""),
        "latencyMs": round(took * 1000),
        "contentType": answer.get("ContentType", ""),
        "content": answer["Body"],
    }


def _place(snapshot: Snapshot) -> tuple[str, str]:
    """Name and region of the endpoint that serves; CommandError with what its status says when none does."""
    status, parts = snapshot.status, str(snapshot.status.get("arn", "")).split(":")
    if not status.get("lastGood") or len(parts) < 6:
        ready: Mapping[str, Any] = next((item for item in status.get("conditions") or () if item.get("type") == "Ready"), {})
        why = ready.get("message") or status.get("phase") or "the operator has not looked at it yet"
        raise CommandError(f"ModelEndpoint {snapshot.key.name} serves nothing yet: {why}")
    return str(status["endpointName"]), parts[3]


def _check_variant(snapshot: Snapshot, variant: str) -> None:
    records = [snapshot.status.get("lastGood") or {}, *(snapshot.status.get("history") or ())]
    live: Mapping[str, Any] = next((item for item in records if item.get("config") == snapshot.status.get("liveConfig")), {})
    names = [str(item.get("name")) for item in live.get("variants") or ()]
    if variant and names and variant not in names:
        raise CommandError(f"ModelEndpoint {snapshot.key.name} serves no variant {variant}: use one of {', '.join(names)}", USAGE)


def _said(name: str, error: AwsFailure) -> str:
    if error.code == "ModelError":
        return f"the model behind {name} failed: {error.message}"
    return f"AWS: {error}"


def _readable(content: bytes) -> dict[str, str]:
    try:
        return {"body": content.decode()}
    except UnicodeDecodeError:
        return {"bodyBase64": base64.b64encode(content).decode()}
