"""Every simulation test runs with what makes thousands of runs affordable."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.simulation.runner import prepared


@pytest.fixture(autouse=True)
def _prepared() -> Iterator[None]:
    with prepared():
        yield
