"""What chance would take long to find about ModelEndpoints, scenario by scenario."""

from __future__ import annotations

import pytest

from tests.simulation.gate import Fault
from tests.simulation.runner import directed, run
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.scenarios_endpoint import KEY
from tests.simulation.schedule import Schedule

NAMES = tuple(name for name, scenario in SCENARIOS.items() if scenario.key == KEY)
DIRECTED = tuple(directed(NAMES))


@pytest.mark.parametrize("name", NAMES)
def test_what_is_likely_to_go_wrong_changes_nothing_in_the_end(name: str) -> None:
    """Lost events, lost statuses, stale reads, maintenance, long absences and two operators at once: every oracle holds."""
    failed = [
        (schedule, violations) for scenario, schedule in DIRECTED if scenario.name == name and (violations := run(scenario, schedule))
    ]
    assert failed == []


def test_a_model_that_is_made_late_for_a_withdrawn_version_goes() -> None:
    """The package is rejected while CreateModel is on its way, nothing serves, and the object waits for an approval for ever."""
    schedule = Schedule(faults={6: Fault.LATE}, script_at=(2,), latency=0.05, event_lag=60.0)
    assert run(SCENARIOS["serve-pin-withdrawn"], schedule) == []
