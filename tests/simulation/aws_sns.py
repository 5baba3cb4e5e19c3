"""SNS: every topic takes every message, and nothing tells two equal ones apart. Source: Amazon SNS API Reference, Publish."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from tests.simulation.aws import Context, Handler, Tags


class Topics:
    """`told` counts messages by (topic, transition, the id that the message names)."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self.told: Counter[tuple[str, str, str]] = Counter()

    def handlers(self) -> dict[str, Handler]:
        return {"sns:Publish": self._publish}

    def tagged(self) -> Mapping[str, Callable[[str], Tags]]:
        return {}

    def _publish(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        body = json.loads(parameters["Message"])
        self.told[parameters["TopicArn"], body["transition"], body["id"]] += 1
        self._context.accept("Publish", body["id"])
        return {"MessageId": f"m-{self.told.total()}"}
