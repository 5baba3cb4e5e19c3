"""What a check's job writes: report.json by the model that its config.json names and by what the scenario says of that model.

The contract is docs/decisions/0011; a processing job without a config.json is one of an evaluate step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.simulation.aws import Context
from tests.simulation.aws_jobs import Work, evaluated

CHECK, NUMBER = "loss", "violations"
GOOD, BAD, BETTER = 2.0, 9.0, 1.0


class Checks:
    """`values`: the number of each model version, GOOD for one that is not in it. `data`: what the job says of the window's data."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.values: dict[str, float] = {}
        self.data = "Available"

    def written(self, work: Work) -> Mapping[str, bytes]:
        config = self._config(work)
        return evaluated(work) if config is None else {"report.json": json.dumps(self._report(config)).encode()}

    def _config(self, work: Work) -> Mapping[str, Any] | None:
        for item in work.parameters["ProcessingInputs"]:
            if item["InputName"] == "config":
                bucket, _, prefix = item["S3Input"]["S3Uri"].removeprefix("s3://").partition("/")
                found: Mapping[str, Any] = json.loads(self._context.objects[bucket, f"{prefix}config.json"])
                return found
        return None

    def _report(self, config: Mapping[str, Any]) -> dict[str, Any]:
        measured = self.data == "Available"
        value = self.values.get(config["target"]["modelVersion"], GOOD) if measured else None
        metric = {"check": CHECK, "name": NUMBER, "variant": config["target"]["variant"], "value": value, "sampleSize": 40}
        metric["state"] = "Measured" if measured else "InsufficientData"
        return {"version": 1, "window": config["window"], "data": {"state": self.data, "captured": 40}, "metrics": [metric]}
