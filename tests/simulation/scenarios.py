"""Every scenario by name: one module for each kind."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation import scenarios_endpoint, scenarios_policy, scenarios_training
from tests.simulation.scenario import Scenario

_ALL = (*scenarios_training.SCENARIOS, *scenarios_endpoint.SCENARIOS, *scenarios_policy.SCENARIOS)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for scenario in _ALL}
