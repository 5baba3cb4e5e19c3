"""Logs as JSON, one line per record: a constant event name and fields, never a spec, a status or a credential.

json.dumps escapes every control character, so that no value can forge a line (failure-modes.md section 4, K).
"""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any, TextIO

FIELDS = ("key", "generation", "aws_request_id", "error", "kind", "count", "seconds", "address", "path")
VALUE_LIMIT, TRACEBACK_LIMIT = 2000, 20_000  # characters; the end of a traceback says most
QUIET_LOGGERS = ("kopf", "aiohttp.access", "botocore", "boto3", "urllib3")


class JsonFormatter(logging.Formatter):
    """ts (UTC, ms), level, event, logger, then the fields of FIELDS that the record carries, then a traceback."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created, UTC)
        line: dict[str, Any] = {
            "ts": moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z",
            "level": record.levelname.lower(),
            "event": record.getMessage()[:VALUE_LIMIT],
            "logger": record.name,
        }
        for name in FIELDS:
            value = getattr(record, name, None)
            if value not in (None, ""):
                line[name] = value if isinstance(value, (int, float)) else str(value)[:VALUE_LIMIT]
        if record.exc_info and record.exc_info[0] is not None:
            line["traceback"] = self.formatException(record.exc_info)[-TRACEBACK_LIMIT:]
        return json.dumps(line, separators=(",", ":"))


def configure(level: str, stream: TextIO = sys.stderr) -> None:
    """Send every logger's records to `stream` as JSON. kopf logs each handled event at INFO: only its warnings are kept."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level)))
