"""FailureReason of a container that did not end well: the failure file, the exit code, and the end of the
log.

In AWS the container writes `/opt/ml/output/failure`; the training toolkit writes it for the user's script,
with the error message and the command. A container that writes none gives its last log lines here.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from local_aws import logs
from local_aws.executor import Exit
from local_aws.executor.toolkit import script_error
from local_aws.sagemaker import words

_LINES = 20
_FILE_BYTES = 1024


def exit_status(outcome: Exit) -> int:
    """The code that the container runtime would report: 128 + signal for a killed process."""
    if outcome.code is not None:
        return outcome.code
    return 128 + (outcome.signal or 0)


def reason(outcome: Exit, failure_file: Path, log: Path, script_command: Sequence[str] | None) -> str:
    """FailureReason, at most 1,024 characters; `script_command` is set when the toolkit ran a user script."""
    code = exit_status(outcome)
    written = _written(failure_file)
    if written is not None:
        return words.algorithm_error(written, code)
    message = _last_error(logs.tail(log, 200))
    if script_command is None:
        return words.algorithm_error(message, code)
    return words.algorithm_error(script_error(code, message, " ".join(script_command)), code)


def _written(failure_file: Path) -> str | None:
    if not failure_file.is_file():
        return None
    with failure_file.open("rb") as source:
        text = source.read(_FILE_BYTES).decode("utf-8", "replace").strip()
    return text or None


def _last_error(lines: Sequence[str]) -> str:
    """The last traceback when the log ends in one, else the last lines."""
    starts = [i for i, line in enumerate(lines) if line.startswith("Traceback (most recent call last)")]
    recent = lines[starts[-1] :] if starts and starts[-1] >= len(lines) - 60 else lines[-_LINES:]
    return "\n".join(recent) or "See job logs for more information"
