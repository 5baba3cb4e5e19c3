"""The operator's log stays silent while thousands of faults are simulated."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.runner import quiet


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    with quiet():
        yield
