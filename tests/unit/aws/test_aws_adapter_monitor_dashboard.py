"""The dashboard of a policy: threshold, number and retrains in their colours, written when it changes and gone with the policy."""

from __future__ import annotations

from typing import Any

import pytest

from sagemaker_gitops.core.errors import InvalidResource
from tests.unit.aws.passes import operations
from tests.unit.aws.test_aws_adapter_monitor_breach import Loop

BLUE, ORANGE, GREEN = "#1f77b4", "#ff7f0e", "#2ca02c"


def shown(**alarm: Any) -> Loop:
    world = Loop(alarm=alarm)
    world.edit(dashboard=True)
    world.turn()
    return world


def lines(world: Loop) -> list[tuple[str, str, str]]:
    """(metric, model version or nothing, colour) of the only widget."""
    (board,) = world.aws.dashboards.values()
    (widget,) = board["widgets"]
    found = [(line[1], dict(zip(line[2:-1:2], line[3:-1:2], strict=True)), line[-1]["color"]) for line in widget["properties"]["metrics"]]
    return [(metric, dimensions.get("ModelVersion", ""), colour) for metric, dimensions, colour in found]


@pytest.mark.capability("G14")
def test_threshold_number_and_retrains_have_their_colours() -> None:
    """Nothing before the first number; every model that is remembered has its lines."""
    world = shown()
    assert world.aws.dashboards == {}
    world.hour(0.31)
    world.turn()
    assert lines(world) == [
        ("high/threshold", "", BLUE),
        ("loss/wql", "fees/1", ORANGE),
        ("high/retrain", "fees/1", GREEN),
    ]
    world.serves(2)
    world.turn()
    world.hour(0.1)
    world.turn()
    assert [line[1:] for line in lines(world)][1:] == [("fees/2", ORANGE), ("fees/2", GREEN), ("fees/1", ORANGE), ("fees/1", GREEN)]


def test_it_is_written_when_it_changes_and_at_no_other_check() -> None:
    world = shown()
    world.hour(0.1)
    world.hour(0.2)
    assert world.aws.count("PutDashboard") == 1
    world.restart()
    world.hour(0.3)
    assert world.aws.count("PutDashboard") == 1


def test_it_goes_with_the_policy_and_with_the_wish() -> None:
    """Whether status still knows of it or not."""
    world = shown()
    world.hour(0.1)
    world.turn()
    assert len(world.aws.dashboards) == 1
    world.edit(dashboard=False)
    assert operations(world.turn()) == ["DeleteDashboards"]
    assert (world.aws.dashboards, world.turn().actions) == ({}, ())
    world.edit(dashboard=True)
    world.hour(0.1)
    world.turn()
    assert len(world.aws.dashboards) == 1
    world.wipe()
    world.delete()
    assert "DeleteDashboards" in operations(world.turn())
    assert world.aws.dashboards == {}


def test_a_dashboard_without_alarms_is_refused() -> None:
    world = Loop()
    world.edit(dashboard=True, alarms=None, onBreach=None)
    with pytest.raises(InvalidResource, match=r"spec\.alarms: is needed by dashboard"):
        world.turn()
