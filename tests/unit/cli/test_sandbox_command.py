"""sandbox status, and what a person's shell is told; nothing is started."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sagemaker_gitops.cli.main import main
from sagemaker_gitops.cli.sandbox import Sandbox
from sagemaker_gitops.runtime.clock import FastClock

ENVIRONMENT = {"KUBECONFIG": "/a folder/it's here/kubeconfig", "SAGEMAKER_GITOPS_INSTALL_ID": "sandbox"}


def _running(folder: Path, told: object = None) -> list[str]:
    """The arguments that look at a sandbox whose owner is this very process."""
    known = {"pid": os.getpid(), "kubectl": "/tools of mine/kubectl", "environment": ENVIRONMENT}
    (folder / "sandbox.json").write_text(json.dumps(known if told is None else told))
    return ["sandbox", "status", "--folder", str(folder)]


def test_the_exports_are_for_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Quoted, and with the sandbox's kubectl first on PATH."""
    assert main(_running(tmp_path)) == 0
    script = capsys.readouterr().out + 'printf "%s\\n" "$KUBECONFIG" "$SAGEMAKER_GITOPS_INSTALL_ID" "$PATH"'
    done = subprocess.run(["sh", "-c", script], env={"PATH": "/usr/bin"}, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*ENVIRONMENT.values(), "/tools of mine:/usr/bin"]


def test_the_environment_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For programs."""
    assert main([*_running(tmp_path), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == ENVIRONMENT


@pytest.mark.parametrize("told", [[], "x", {}, {"pid": 1}, {"pid": "x", "environment": {}, "kubectl": ""}])
def test_no_sandbox_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], told: object) -> None:
    """On stderr, exit code 1, whatever the state file says."""
    assert main(_running(tmp_path, told)) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "no sandbox runs in" in captured.err


def test_a_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    (tmp_path / "file").write_text("")
    assert main(["sandbox", "up", "--folder", str(tmp_path / "file")]) == 2
    assert "error: " in capsys.readouterr().err


@pytest.mark.parametrize(("speed", "told"), [(1.0, None), (2.5, "2.5@2026-11-21T10:00:00+00:00")])
def test_the_operator_is_told_of_a_clock_that_is_not_the_walls(tmp_path: Path, speed: float, told: str | None) -> None:
    """Else the window of a check ends before what the local AWS captured in it."""
    sandbox = Sandbox(tmp_path, speed=speed)
    sandbox.clock = FastClock(speed, datetime(2026, 11, 21, 10, tzinfo=UTC))
    assert sandbox.operator_environment().get("SAGEMAKER_GITOPS_LOCAL_CLOCK") == told
