"""What running endpoints cost so far, added to the cost meter's report; a fleet that ends charges itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from local_aws.cost import Charge, CostMeter, hourly_price
from local_aws.hosting.endpoint import Endpoint


class LiveCost:
    """The world's cost meter with the endpoints that still run; `endpoints` lists them."""

    def __init__(self, settled: CostMeter, endpoints: Callable[[], list[Endpoint]]) -> None:
        self._settled = settled
        self._endpoints = endpoints

    def report(self) -> dict[str, Any]:
        """As `CostMeter.report`, with one charge per running variant since it was last charged."""
        # Before the meter's lock: an endpoint's own lock may be held by what charges.
        fleets = [fleet for endpoint in self._endpoints() for fleet in endpoint.fleets()]
        with self._settled.moving():
            report = self._settled.report()
            running = [
                _charge(name, instance_type, count, seconds) for fleet in fleets for name, instance_type, count, seconds in fleet.accrued()
            ]
        return {
            "totalUsd": round(report["totalUsd"] + sum(charge.usd for charge in running), 6),
            "unitSeconds": round(report["unitSeconds"] + sum(charge.unit_seconds for charge in running), 3),
            "charges": [*report["charges"], *(asdict(charge) for charge in running)],
        }


def _charge(name: str, instance_type: str, count: int, seconds: float) -> Charge:
    total = count * seconds
    return Charge("endpoint", name, instance_type, total, total / 3600 * hourly_price(instance_type))
