"""Texts that come out of logs and requests: metrics, failure reasons, error messages, script mode."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from local_aws import metrics
from local_aws.executor import Exit
from local_aws.glue.run_work import error_message
from local_aws.sagemaker import failure, words

NOW = datetime(2026, 1, 1, tzinfo=UTC)
TRACE = 'Traceback (most recent call last):\n  File "t.py", line 1, in <module>\nValueError: bad\n'


def values(pattern: str, line: str) -> list[float]:
    definitions = metrics.compile_definitions([{"Name": "m", "Regex": pattern}])
    return [datum.value for datum in metrics.extract(definitions, line, NOW)]


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        (r"loss=([0-9.]+)", "epoch 1 loss=0.25", [0.25]),
        (r"loss=([0-9.]+)", "loss=1 loss=2", [1.0, 2.0]),
        (r"loss=(\S+)", "loss=nan", []),
        (r"loss=(\S+)", "loss=inf", []),
        (r"loss=(\S+)", "loss=n/a", []),
        (r"loss=(-?[0-9.]+(?:e-?\d+)?)", "loss=-1.5e-3", [-0.0015]),
        (r"[0-9]+", "17", [17.0]),
        (r"(a)?b", "b", []),
        (r"\p{L}+=([0-9]+)", "größe=5", [5.0]),
    ],
)
def test_values_in_a_line(pattern: str, line: str, expected: list[float]) -> None:
    """The first group is the value; what is no finite number is passed over."""
    assert values(pattern, line) == expected


def test_a_wrong_expression_is_named() -> None:
    """The error says which metric and which expression."""
    with pytest.raises(ValueError, match=r"metric 'acc': '\(' is not valid"):
        metrics.compile_definitions([{"Name": "acc", "Regex": "("}])


def test_the_last_value_of_each_metric_is_final() -> None:
    """In the order in which the metrics first appeared."""
    data = [metrics.Datum("b", 1.0, NOW), metrics.Datum("a", 2.0, NOW), metrics.Datum("b", 3.0, NOW)]
    assert [(m["MetricName"], m["Value"]) for m in metrics.final(data)] == [("b", 3.0), ("a", 2.0)]


def log_of(folder: Path, text: str) -> Path:
    path = folder / "log"
    path.write_text(text)
    return path


def test_the_last_traceback_is_the_message(tmp_path: Path) -> None:
    """Lines before it, and an earlier traceback, do not matter."""
    log = log_of(tmp_path, TRACE + "recovered\n" + TRACE.replace("bad", "worse"))
    reason = failure.reason(Exit(1, None), tmp_path / "absent", log, None)
    assert reason.startswith("AlgorithmError: Traceback (most recent call last):")
    assert reason.endswith("ValueError: worse, exit code: 1")
    assert "recovered" not in reason


def test_without_a_traceback_the_last_lines_are_the_message(tmp_path: Path) -> None:
    """Twenty of them."""
    log = log_of(tmp_path, "".join(f"line {i}\n" for i in range(30)))
    reason = failure.reason(Exit(2, None), tmp_path / "absent", log, None)
    assert reason.startswith("AlgorithmError: line 10\n")
    assert reason.endswith("line 29, exit code: 2")


def test_an_empty_log_refers_to_the_log(tmp_path: Path) -> None:
    """There is always a reason."""
    reason = failure.reason(Exit(None, 9), tmp_path / "absent", tmp_path / "no-log", None)
    assert reason == "AlgorithmError: See job logs for more information, exit code: 137"


def test_a_long_message_keeps_its_end(tmp_path: Path) -> None:
    """1,024 characters with the exception at the end."""
    log = log_of(tmp_path, "x" * 300 + "\n" + "y" * 3000 + "\nthe cause\n")
    reason = failure.reason(Exit(1, None), tmp_path / "absent", log, ["python", "train.py"])
    assert len(reason) <= 1024
    assert reason.endswith('Command "python train.py", exit code: 1')
    assert "the cause" in reason


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TRACE, "ValueError: bad"),
        (TRACE.replace("ValueError: bad", "KeyError"), "KeyError"),
        (
            TRACE.replace("ValueError: bad", "botocore.exceptions.ClientError: An error"),
            "botocore.exceptions.ClientError: An error",
        ),
        (TRACE.replace("ValueError: bad", "ValueError: two\nlines"), "ValueError: two\nlines"),
        ("no trace\n", "Command failed with exit code 1"),
    ],
)
def test_the_error_message_of_a_glue_run(text: str, message: str) -> None:
    """The exception with its text, however many lines; without one the exit code."""
    assert error_message(Exit(1, None), text.splitlines())[0] == message


@pytest.mark.parametrize("length", [0, 900, 1024, 5000])
def test_an_algorithm_error_is_never_longer_than_awss(length: int) -> None:
    """1,024 characters at most."""
    assert len(words.algorithm_error("m" * length, 1)) <= 1024
