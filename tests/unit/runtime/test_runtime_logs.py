"""runtime.logs: one JSON object per line, known fields only."""

from __future__ import annotations

import io
import json
import logging
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
