"""Checks that run a script of the user's: it is in the source, and the job gets it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.unit.aws.monitor_world import World, uploaded

PREDICTS: dict[str, Any] = {"name": "why", "type": "Explainability", "predictor": "predictor.py", "threshold": 0.8, "samples": 50}
WRITES: dict[str, Any] = {"name": "why", "type": "Explainability", "entryPoint": "attributions.py"}


@pytest.mark.capability("G5")
@pytest.mark.parametrize(("check", "script"), [(PREDICTS, "predictor.py"), (WRITES, "attributions.py")])
def test_a_script_of_attributions_is_given_to_the_job(check: dict[str, Any], script: str) -> None:
    alarm = {"name": "shifted", "check": "why", "operator": "<", "threshold": {"initial": 0.9}}
    world = World(checks=[check], alarms=[alarm])
    world.turn()
    assert world.conditions()["Stalled"] == "True SourceIncomplete"
    field = "predictor" if "predictor" in check else "entryPoint"
    assert f"spec.checks[0].{field}: {script} is not in the source" in world.message()
    world.references.files[script] = b"def predict(rows): return rows\n"
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 10, 20, tzinfo=UTC))
    world.at(10, 30)
    made = world.turn()
    assert uploaded(made, "config.json")["checks"] == [check]
    (job,) = world.aws.jobs.values()
    assert "source" in [item["InputName"] for item in job["ProcessingInputs"]]
    metric = {"check": "why", "name": "ndcg", "variant": "blue", "value": 0.7, "sampleSize": 50, "state": "Measured"}
    world.aws.end({"version": 1, "data": {"state": "Available", "captured": 50}, "metrics": [metric]})
    world.turn()
    world.turn()
    assert (world.status["metric"], world.status["phase"]) == ("why=0.7", "Breached")
