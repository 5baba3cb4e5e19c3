"""An endpoint for each test, and an environment without the machine's own AWS settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.botocore.botocore_wire import Wire, listening


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither profiles nor AWS_* variables nor proxies."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower() == "http_proxy"]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))


@pytest.fixture
def wire() -> Iterator[Wire]:
    """One for each test: its requests are counted."""
    with listening() as found:
        yield found
