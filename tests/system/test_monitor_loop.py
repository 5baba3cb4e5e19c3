"""The loop of the fees sample on the real API server, the local AWS and the real job: served, drifted, trained again once, approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from sagemaker_gitops.cli.demo import ROLE
from sagemaker_gitops.cli.demo_monitoring import CREATED, THRESHOLD, Loop
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.sandbox import Sandbox
from tests.system.stack import Stack, condition


@pytest.mark.capability("G1", "G7", "G8", "G9", "G11", "G12", "G13", "G15", "G19")
@pytest.mark.long
@pytest.mark.timeout(600)
def test_the_loop_closes(tmp_path: Path) -> None:
    """As the demo has it, which asserts each step; then: exactly the calls that it takes, and a restart that adds none."""
    with Sandbox(tmp_path) as sandbox:
        loop = Loop(sandbox, Ledger(sandbox.aws_url, ROLE))
        loop.serve()
        with loop.drifting():
            pass
        loop.retrain()
        loop.close()
        good, *bad, better = loop.losses
        assert better < good < THRESHOLD < min(bad)
        assert len(bad) == 3
        loop.picture(tmp_path / "fees.png")
        assert (tmp_path / "fees.png").read_bytes().startswith(b"\x89PNG")
        status = sandbox.get("monitorpolicy", "fees")["status"]
        assert condition(status, "Breached")["status"] == "False"
        assert status["retrains"] == "1/3"
        sandbox.restart_operator()
        Stack(sandbox).quiet()
        assert loop.created() == CREATED
