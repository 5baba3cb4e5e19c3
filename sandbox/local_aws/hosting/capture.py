"""Data capture: what went into a variant and what came out, as JSON lines in S3, batched by the clock.

Layout `<destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<mm-ss-ms-uuid>.jsonl`, by the AWS time (UTC) of the invocation. A
content type that CaptureContentTypeHeader does not name is captured as Base64. Written with the model's execution role. Source:
developer guide, "Capture data from real-time endpoint"; API reference of DataCaptureConfig.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import uuid4

from local_aws import storage
from local_aws.clock import Timer
from local_aws.hosting import pace
from local_aws.hosting.model_server import Reply
from local_aws.services import Services

_WALL_SECONDS: Final = 0.5
_INPUT: Final = frozenset({"Input", "InputAndOutput"})
_OUTPUT: Final = frozenset({"Output", "InputAndOutput"})
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exchanged:
    """One invocation that a container answered well; `params` are those of InvokeEndpoint."""

    endpoint: str
    variant: str
    role: str | None
    params: Mapping[str, Any]
    reply: Reply


@dataclass(frozen=True, slots=True)
class _Folder:
    """Where lines of one hour and variant go, and as whom."""

    location: storage.S3Uri
    role: str | None


class Capture:
    """Buffers lines, and writes one object per variant and hour every `endpoints.captureSeconds` of AWS time; thread safe.

    A buffer that reaches `endpoints.captureRecords` lines is written at once.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._lock = threading.Lock()
        self._waiting: dict[_Folder, list[str]] = {}
        self._timer: Timer | None = None

    def record(self, exchanged: Exchanged, config: Mapping[str, Any]) -> None:
        """Capture the invocation if `config`, a DataCaptureConfig, samples it."""
        if not config.get("EnableCapture", True) or random.random() * 100 >= config["InitialSamplingPercentage"]:
            return
        now = self._services.now()
        target = storage.parse(config["DestinationS3Uri"])
        location = target.join(exchanged.endpoint, exchanged.variant, now.strftime("%Y/%m/%d/%H"))
        settings = self._services.world.settings
        with self._lock:
            lines = self._waiting.setdefault(_Folder(location, exchanged.role), [])
            lines.append(line(exchanged, config, now))
            full = len(lines) >= settings["endpoints.captureRecords"]
            if self._timer is None:
                clock = self._services.world.clock
                seconds = pace.at_least(clock, settings["endpoints.captureSeconds"], _WALL_SECONDS)
                self._timer = clock.call_later(seconds, lambda: self._services.submit(self.flush))
        if full:
            self._services.submit(self.flush)

    def flush(self) -> None:
        """Write what waits; lines that can't be written are logged and lost, as AWS does not repeat them either."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        for folder, lines in waiting.items():
            now = self._services.now()
            name = f"{now:%M-%S}-{now.microsecond // 1000:03d}-{uuid4()}.jsonl"
            try:
                self._write(folder, folder.location.join(name), "".join(lines).encode())
            except storage.StorageError:
                _log.warning("%d captured lines could not be written to %s", len(lines), folder.location, exc_info=True)

    def _write(self, folder: _Folder, target: storage.S3Uri, body: bytes) -> None:
        identity = self._services.world.identity
        if folder.role is None or identity.decision(folder.role, "s3:PutObject") is not None:
            raise storage.StorageError("AccessDenied", f"{folder.role} may not write {target}")
        self._services.storage.put(target, body)


def line(exchanged: Exchanged, config: Mapping[str, Any], at: datetime) -> str:
    """The JSON line of one invocation, with its end of line."""
    params, reply = exchanged.params, exchanged.reply
    modes = {option["CaptureMode"] for option in config["CaptureOptions"]}
    headers = config.get("CaptureContentTypeHeader", {})
    data = {}
    if modes & _INPUT:
        data["endpointInput"] = _side("INPUT", params.get("ContentType", "application/octet-stream"), params["Body"], headers)
    if modes & _OUTPUT:
        data["endpointOutput"] = _side("OUTPUT", reply.content_type, reply.body, headers)
    event: dict[str, Any] = {"eventId": str(uuid4())}
    if "CustomAttributes" in params:
        event["customAttributes"] = [params["CustomAttributes"]]
    if "InferenceId" in params:
        event["inferenceId"] = params["InferenceId"]
    event["inferenceTime"] = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps({"captureData": data, "eventMetadata": event, "eventVersion": "0"}, separators=(",", ":")) + "\n"


def _side(mode: str, content_type: str, body: bytes, headers: Mapping[str, Any]) -> dict[str, str]:
    encoding = _encoding(content_type, headers)
    try:
        text = body.decode("utf-8") if encoding != "BASE64" else base64.b64encode(body).decode()
    except UnicodeDecodeError:
        encoding, text = "BASE64", base64.b64encode(body).decode()
    return {"observedContentType": content_type, "mode": mode, "data": text, "encoding": encoding}


def _encoding(content_type: str, headers: Mapping[str, Any]) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    for encoding, member in (("CSV", "CsvContentTypes"), ("JSON", "JsonContentTypes")):
        if media_type in (each.lower() for each in headers.get(member, ())):
            return encoding
    return "BASE64"
