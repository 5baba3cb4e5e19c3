"""The cost meter: billable seconds of every job times a small price table, shown at `GET /_local/cost`.

Prices are on-demand prices per instance hour in US dollars, rounded, good enough to see that something cost
money twice; they are not a bill. Source: the public SageMaker and Glue price pages, family by family.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

# Per hour of the `large` size; other sizes are multiples of it within a family.
_FAMILY_LARGE = {
    "ml.t3": 0.10,
    "ml.m4": 0.12,
    "ml.m5": 0.115,
    "ml.m6i": 0.115,
    "ml.m7i": 0.121,
    "ml.c4": 0.12,
    "ml.c5": 0.102,
    "ml.c6i": 0.102,
    "ml.r5": 0.151,
    "ml.g4dn": 0.368,
    "ml.g5": 0.704,
    "ml.g6": 0.563,
    "ml.p3": 1.9125,
    "ml.p4d": 0.787,
}
_OTHER_FAMILY = 0.25
_SERVERLESS_GIGABYTE = 0.072
_SIZES = {"medium": 0.5, "large": 1.0, "xlarge": 2.0}
GLUE_DPU_HOUR = 0.44


@dataclass(frozen=True, slots=True)
class Charge:
    """What one finished resource cost; `unit_seconds` are instance-seconds or DPU-seconds."""

    kind: str
    name: str
    unit: str
    unit_seconds: float
    usd: float


class CostMeter:
    """Adds up charges; thread safe."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._charges: list[Charge] = []

    @contextlib.contextmanager
    def moving(self) -> Iterator[None]:
        """While what runs becomes a charge, or both are read: nothing is counted twice or not at all.

        Taken before the lock of what runs, never with that held.
        """
        with self._lock:
            yield

    def instances(self, kind: str, name: str, instance_type: str, count: int, seconds: float) -> None:
        """Charge `count` instances for billable `seconds`."""
        total = seconds * count
        self._add(Charge(kind, name, instance_type, total, total / 3600 * hourly_price(instance_type)))

    def glue(self, name: str, dpu_seconds: float) -> None:
        self._add(Charge("glue-job-run", name, "DPU", dpu_seconds, dpu_seconds / 3600 * GLUE_DPU_HOUR))

    def report(self) -> dict[str, Any]:
        with self._lock:
            charges = list(self._charges)
        return {
            "totalUsd": round(sum(charge.usd for charge in charges), 6),
            "unitSeconds": round(sum(charge.unit_seconds for charge in charges), 3),
            "charges": [asdict(charge) for charge in charges],
        }

    def _add(self, charge: Charge) -> None:
        with self._lock:
            self._charges.append(charge)


def hourly_price(instance_type: str) -> float:
    """US dollars per instance hour, or per hour of requests for `serverless.2048MB`."""
    if instance_type.startswith("serverless."):
        return _SERVERLESS_GIGABYTE * int(instance_type[len("serverless.") : -len("MB")]) / 1024
    family, _, size = instance_type.rpartition(".")
    multiple = _SIZES.get(size)
    if multiple is None:
        digits = size.removesuffix("xlarge")
        multiple = 2.0 * int(digits) if digits.isdigit() else 1.0
    return _FAMILY_LARGE.get(family, _OTHER_FAMILY) * multiple
