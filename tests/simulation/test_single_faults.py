"""Every fault at the calls of every scenario, both sides of the call, one at a time: all boundaries, or runner.stride's share."""

from __future__ import annotations

import pytest

from tests.simulation.gate import Fault
from tests.simulation.runner import NAMES, run_forgotten, run_single_faults


@pytest.mark.parametrize("fault", Fault)
@pytest.mark.parametrize("name", NAMES)
def test_a_single_fault_changes_nothing_in_the_end(name: str, fault: Fault) -> None:
    """Same end state and same accepted creates as without the fault, no duplicate, no orphan, silence afterwards."""
    assert run_single_faults(name, fault) == []


def test_an_edit_over_an_older_status_leaves_no_orphan() -> None:
    """The job that the present status alone named is found by its tags, stopped, and replaced."""
    assert [violations for violations in run_forgotten(range(3)) if violations] == []
