"""Every scenario by name: one module for each kind."""

from __future__ import annotations

from collections.abc import Mapping

from tests.simulation import scenarios_endpoint, scenarios_policy, scenarios_told, scenarios_training
from tests.simulation.scenario import Scenario

_MODULES = (scenarios_training, scenarios_endpoint, scenarios_policy, scenarios_told)
SCENARIOS: Mapping[str, Scenario] = {scenario.name: scenario for module in _MODULES for scenario in module.SCENARIOS}
