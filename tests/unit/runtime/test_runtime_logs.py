"""runtime.logs: one JSON object per line, known fields only."""

from __future__ import annotations

import io
import json
import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sagemaker_gitops.runtime import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Logging configured onto a buffer, and put back afterwards."""
    root = logging.getLogger()
    before, level = root.handlers[:], root.level
    buffer = io.StringIO()
    logs.configure("INFO", buffer)
    yield buffer
    root.handlers[:] = before
    root.setLevel(level)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_record_is_one_line_with_its_fields(stream: io.StringIO) -> None:
    """The keys that people filter by are there."""
    extra = {"key": "TrainingRun/team-a/digits", "generation": 3, "aws_request_id": "r-1"}
    logging.getLogger("sagemaker_gitops.x").warning("aws_call_failed", extra=extra)
    (line,) = lines(stream)
    assert line["ts"].endswith("Z")
    assert {name: line[name] for name in ("level", "event", *extra)} == {"level": "warning", "event": "aws_call_failed", **extra}


def test_control_characters_cannot_forge_a_line(stream: io.StringIO) -> None:
    """A user's text with line breaks and escapes stays inside its string."""
    logging.getLogger("x").warning("aws_call_failed", extra={"error": 'a\n{"level":"error"}\r\x1b[31m\u2028'})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_unknown_fields_are_left_out(stream: io.StringIO) -> None:
    """Nobody can log a spec by accident."""
    logging.getLogger("x").warning("odd", extra={"spec": {"password": "p"}})
    assert "password" not in stream.getvalue()


def test_a_traceback_stays_on_the_line(stream: io.StringIO) -> None:
    """An exception is one line as well."""
    try:
        raise ZeroDivisionError
    except ZeroDivisionError:
        logging.getLogger("x").exception("pass_failed")
    (line,) = lines(stream)
    assert "ZeroDivisionError" in line["traceback"]


def test_kopf_speaks_only_of_trouble(stream: io.StringIO) -> None:
    """It would log a line per watch event."""
    logging.getLogger("kopf.objects").info("Handler 'trainingruns' succeeded.")
    logging.getLogger("kopf.objects").warning("odd")
    assert [line["event"] for line in lines(stream)] == ["odd"]


def test_no_value_is_larger_than_a_line_may_be(stream: io.StringIO) -> None:
    """Another's error text of ten megabytes is not ten megabytes of log (failure-modes.md G4)."""
    logging.getLogger("x").warning("e" * 10_000_000, extra={"error": "v" * 10_000_000})
    (line,) = lines(stream)
    assert (len(line["event"]), len(line["error"])) == (logs.VALUE_LIMIT, logs.VALUE_LIMIT)


def test_times_are_utc(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the machine's time zone is."""
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        record = logging.makeLogRecord({"created": 0.0, "msg": "m"})
        assert json.loads(logs.JsonFormatter().format(record))["ts"] == "1970-01-01T00:00:00.000Z"
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("name", ["kopf.objects", "aiohttp.access", "botocore.endpoint", "boto3.session", "urllib3.connectionpool"])
@pytest.mark.parametrize("level", ["DEBUG", "INFO", "ERROR"])
def test_libraries_that_log_requests_are_quiet_at_every_level(name: str, level: str) -> None:
    """botocore logs whole requests and credentials at DEBUG (failure-modes.md J4); an operator at ERROR hears no warnings of theirs."""
    root = logging.getLogger()
    before, was = root.handlers[:], root.level
    buffer = io.StringIO()
    try:
        logs.configure(level, buffer)
        logger = logging.getLogger(name)
        logger.info("Authorization: secret")
        logger.warning("odd")
    finally:
        root.handlers[:] = before
        root.setLevel(was)
    assert [line["event"] for line in lines(buffer)] == ([] if level == "ERROR" else ["odd"])


def test_logging_is_configured_once(stream: io.StringIO) -> None:
    """A handler that was there before would print every record a second time, and not as JSON."""
    second = io.StringIO()
    logs.configure("INFO", second)
    logging.getLogger("x").warning("odd")
    assert (stream.getvalue(), len(lines(second))) == ("", 1)
