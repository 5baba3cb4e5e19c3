"""The knob of a sandbox's clock: what is refused, and that the local AWS and the operator show the same time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local_aws.server import LocalServer, Settings
from sagemaker_gitops import config
from sagemaker_gitops.cli import local_clock
from sagemaker_gitops.cli.main import main
from sagemaker_gitops.runtime.clock import FastClock


@pytest.mark.parametrize("value", ["0", "0.5", "5", "-1", "nan", "fast", ""])
def test_a_speed_that_is_none_is_refused(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is started, with the range."""
    with pytest.raises(SystemExit) as stopped:
        main(["demo", f"--speed={value}"])
    assert stopped.value.code == 2
    assert "give a number from 1 (real time) to 4, such as 2" in capsys.readouterr().err


def test_the_clock_begins_at_the_walls_time() -> None:
    since = datetime(2026, 11, 21, 10, tzinfo=UTC)
    clock = FastClock(4.0, since, lambda: since.timestamp() + 15)
    assert clock.now() == since + timedelta(minutes=1)


def test_the_local_aws_and_the_operator_live_in_one_time(tmp_path: Path) -> None:
    """At a speed at which a second that one of them does not know of would be a quarter of an hour."""
    server = LocalServer(Settings(folder=tmp_path))
    thread = threading.Thread(target=server.serve, daemon=True)
    thread.start()
    try:
        told = local_clock.set_speed(server.url, 1000.0)
        read = config.Settings.from_env(
            {"SAGEMAKER_GITOPS_INSTALL_ID": "x", "AWS_ENDPOINT_URL": server.url, local_clock.SETTING: local_clock.setting(told)}
        )
        assert read.local_clock is not None
        operator = FastClock(*read.local_clock)
        before = operator.now()
        local_clock.wait_until(told, before + timedelta(minutes=5))
        earlier, aws, later = operator.now(), server.world.clock.now(), operator.now()
        assert earlier - timedelta(seconds=30) <= aws <= later + timedelta(seconds=30)
        assert aws - before >= timedelta(minutes=4)
    finally:
        server.stop()
        thread.join(10)
