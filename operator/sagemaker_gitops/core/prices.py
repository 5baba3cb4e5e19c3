"""What an instance hour costs by AWS's price list, as far as a small table knows: data of the package, completed by the platform team.

An estimate needs every price it is made of; one that is not known is never guessed. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

HOURS_A_MONTH = 730  # as AWS's own calculator


@dataclass(frozen=True, slots=True)
class Prices:
    """US dollars per instance hour of hosting by region and instance type, and the date that they are of."""

    as_of: str
    hosting: Mapping[str, Mapping[str, Decimal]]

    def hosting_hour(self, region: str, instance_type: str) -> Decimal | None:
        return self.hosting.get(region, {}).get(instance_type)


@cache
def list_prices() -> Prices:
    """The table of the package (data/prices.json, which names its source)."""
    return prices_of(json.loads((files("sagemaker_gitops") / "data" / "prices.json").read_text()))


def prices_of(table: Any, base: Prices | None = None) -> Prices:
    """A table {asOf: date, hosting: {region: {instance type: dollars per hour}}} over `base`. ValueError names what is wrong."""
    if not isinstance(table, Mapping) or not isinstance(table.get("hosting"), Mapping):
        raise ValueError("must be {asOf: 2026-11-21, hosting: {eu-central-1: {ml.m5.large: 0.1}}}")
    if not table.get("asOf"):
        raise ValueError("asOf is missing: the date that the prices are of, such as 2026-11-21")
    hosting = {region: dict(types) for region, types in (base.hosting if base is not None else {}).items()}
    for region, types in table["hosting"].items():
        if not isinstance(types, Mapping):
            raise ValueError(f"hosting.{region} must map instance types to dollars per hour")
        for instance_type, price in types.items():
            if isinstance(price, bool) or not isinstance(price, int | float) or not 0 <= price < 10_000:
                raise ValueError(f"hosting.{region}.{instance_type} must be dollars per hour, such as 0.115")
            hosting.setdefault(str(region), {})[str(instance_type)] = Decimal(str(price))
    return Prices(str(table["asOf"]), hosting)
