"""A spec is edited, an object deleted, a version approved or rejected the moment after something went wrong: what may still come finds
another world. Policies, whose users act by the clock, have test_policy_schedules.py.
"""

from __future__ import annotations

import pytest

from tests.simulation.gate import Fault
from tests.simulation.runner import run_hurried
from tests.simulation.scenarios import SCENARIOS

NAMES = tuple(name for name, scenario in SCENARIOS.items() if scenario.script and scenario.key.kind != "MonitorPolicy")


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", NAMES)
def test_users_in_a_hurry_leave_nothing_behind(name: str, fault: Fault) -> None:
    """The end state of what they asked for last, no duplicate, no orphan."""
    assert run_hurried(name, fault) == []
