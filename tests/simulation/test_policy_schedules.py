"""MonitorPolicies under random schedules, which have turns of their own (single faults: test_single_faults.py)."""

from __future__ import annotations

import pytest

from tests.simulation.runner import POLICY_TURNS, run_seeds, schedules

CHUNKS = 20
SHARE = 25  # a policy's schedule for so many of the others: a run of it is an hour of checks


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_random_schedules_of_policies_violate_no_oracle(chunk: int) -> None:
    """No window paid for twice, no retrain beyond its limits, no orphan, silence at rest, in bounded time."""
    size = -(-schedules() // (SHARE * CHUNKS))
    assert run_seeds(range(chunk * size, (chunk + 1) * size), POLICY_TURNS) == []
