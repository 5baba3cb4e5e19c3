"""Helpers of the executor's tests; they wait with a deadline instead of sleeping."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from local_aws.executor import Executor, Exit, Process, Running

SECONDS = 30.0


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Poll until `condition` holds; AssertionError naming `what` when it does not in time."""
    pause = threading.Event()
    for _ in range(int(SECONDS / 0.01)):
        if condition():
            return
        pause.wait(0.01)
    raise AssertionError(f"not in {SECONDS} s: {what}")


class Outcome:
    """Collects the exits reported for one process."""

    def __init__(self) -> None:
        self.exits: list[Exit] = []
        self._event = threading.Event()

    def __call__(self, end: Exit) -> None:
        self.exits.append(end)
        self._event.set()

    def wait(self) -> Exit:
        assert self._event.wait(SECONDS), "no exit was reported"
        return self.exits[0]


class Bench:
    """Runs scripts and commands in one folder and reads their log."""

    def __init__(self, executor: Executor, folder: Path) -> None:
        self.executor = executor
        self.folder = folder
        self.log = folder / "log"

    def write(self, source: str, name: str = "train.py") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
        return path

    def submit(
        self,
        *argv: str,
        environment: dict[str, str] | None = None,
        root: Path | None = None,
        cwd: Path | None = None,
        interpreter: Path | None = None,
    ) -> tuple[Running, Outcome]:
        outcome = Outcome()
        process = Process(
            name="job",
            argv=argv,
            environment=environment or {},
            root=root,
            cwd=cwd or self.folder,
            log=self.log,
            interpreter=interpreter,
        )
        return self.executor.submit(process, outcome), outcome

    def script(self, source: str, *arguments: str, environment: dict[str, str] | None = None) -> Exit:
        _, outcome = self.submit(str(self.write(source)), *arguments, environment=environment)
        return outcome.wait()

    def text(self) -> str:
        return self.log.read_text()

    def wait_for(self, text: str) -> None:
        wait_until(lambda: self.log.exists() and text in self.text(), f"{text!r} in the log")
