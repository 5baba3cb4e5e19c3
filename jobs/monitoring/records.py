"""One invocation as the checks see it, and the decoding of payloads that capture and ground truth share.

Below everything else in jobs/monitoring: imports no other module of it. A payload is a string (CSV text), any other JSON value
(decoded JSON), `{"base64": ...}` (bytes that are no text) or None (that side was not captured).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

NAMED_FILES = 20


@dataclass
class Record:
    """One captured invocation or one line of a batch output; `time` in seconds since 1970 (UTC), None where the source has none."""

    event_id: str
    inference_id: str | None
    variant: str | None
    time: float | None
    input: Any
    output: Any
    truth: Any = None


@dataclass
class Tally:
    """What was read and could not be used, so that nothing is dropped silently."""

    unreadable: dict[str, int] = field(default_factory=dict)
    outside_window: int = 0
    duplicates: int = 0

    def cannot_read(self, file: str) -> None:
        self.unreadable[file] = self.unreadable.get(file, 0) + 1

    def document(self) -> dict[str, Any]:
        """Members of `data` in report.json."""
        return {
            "unreadable": sum(self.unreadable.values()),
            "unreadableFiles": sorted(self.unreadable)[:NAMED_FILES],
            "outsideWindow": self.outside_window,
            "duplicates": self.duplicates,
        }


@lru_cache(maxsize=65536)
def seconds(text: str) -> float:
    """RFC 3339 as seconds since 1970. ValueError for anything else, and for a time without a zone."""
    moment = datetime.fromisoformat(text.strip().replace("Z", "+00:00").replace("z", "+00:00"))
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone; write 2026-01-31T10:00:00Z")
    return moment.timestamp()


def decode(side: Mapping[str, Any]) -> Any:
    """A payload of `{data, encoding, observedContentType}`. ValueError if `data` is not what `encoding` says.

    Without CaptureContentTypeHeader every payload is captured as BASE64, text or not: the content type decides then.
    """
    data, encoding = side.get("data"), str(side.get("encoding", "")).upper()
    if not isinstance(data, str):
        raise ValueError("data is no string")
    if encoding == "CSV":
        return data
    media_type = str(side.get("observedContentType") or "").partition(";")[0].strip().lower()
    if encoding == "BASE64":
        try:
            data = base64.b64decode(data, validate=True).decode("utf-8")
        except binascii.Error as error:
            raise ValueError(f"data is not BASE64: {error}") from None
        except UnicodeDecodeError:
            return {"base64": data}
        if not media_type:
            return guess(data)
    if encoding == "JSON" or "json" in media_type:
        return json_values(data)
    return data if "csv" in media_type else guess(data)


def guess(text: str) -> Any:
    """JSON if it is an object or a list, else CSV text."""
    if text.lstrip()[:1] in ("{", "["):
        try:
            return json_values(text)
        except ValueError:
            return text
    return text


def json_values(text: str) -> Any:
    """A JSON document, or JSON Lines as the list of their values. ValueError for neither."""
    try:
        return json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.split("\n") if line.strip()] or None


def lines_of(file: Path) -> Iterator[bytes]:
    """The lines of a file that hold something, without their ends; a last line without an end is one as well."""
    content = file.read_bytes()
    for line in content[3:].split(b"\n") if content.startswith(b"\xef\xbb\xbf") else content.split(b"\n"):
        stripped = line.strip()
        if stripped:
            yield stripped


def values_of(file: Path) -> Iterator[Any]:
    """The JSON value of each line, a ValueError for a line that holds none. All at once where all can be read: that is much quicker."""
    lines = list(lines_of(file))
    try:
        values = json.loads(b"[" + b",".join(lines) + b"]")
        if len(values) == len(lines):
            yield from values
            return
    except (ValueError, RecursionError):
        pass
    for line in lines:
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            yield ValueError(str(error))


def files_below(folder: Path) -> list[Path]:
    """The files below a folder, hidden ones left out, in the order of their paths; none if there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def member(value: Any, path: str | int) -> Any:
    """What `path` names in a JSON value: `predictions[0].score`, or the position in a row. None where there is nothing."""
    if isinstance(path, int):
        return value[path] if isinstance(value, list) and -len(value) <= path < len(value) else None
    if isinstance(value, dict) and path in value:
        return value[path]
    for name, position in _STEP.findall(path):
        if position or (isinstance(value, list) and name.isdigit()):
            value = member(value, int(position or name))
        else:
            value = value.get(name) if isinstance(value, dict) else None
        if value is None:
            return None
    return value
