"""Random combinations of faults, lags, disturbances and users' actions. A failure prints SEED=n, which replays it."""

from __future__ import annotations

import pytest

from tests.simulation.runner import run_seeds, schedules

CHUNKS = 100


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_schedules_violate_no_oracle(chunk: int) -> None:
    """No duplicate paid work, no orphan, the reference's end state, silence at rest, in bounded time."""
    size = -(-schedules() // CHUNKS)
    assert run_seeds(range(chunk * size, (chunk + 1) * size)) == []
