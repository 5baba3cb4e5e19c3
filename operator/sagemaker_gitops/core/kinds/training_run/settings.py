"""The waits that protect against late and lost answers; choices, not AWS promises (failure-modes.md section 8)."""

from __future__ import annotations

from dataclasses import dataclass, field

from sagemaker_gitops.core.prices import Prices, list_prices


@dataclass(frozen=True, slots=True)
class Settings:
    """Seconds, but for prices. `install` is the constant that names this installation in keys and tags."""

    install: str
    absence_interval: float = 30.0  # between the two looks before a finalizer goes
    glue_quarantine: float = 120.0  # after an attempted StartJobRun, before another
    create_quarantine: float = 300.0  # after an attempted create, before its absence is believed at deletion
    spending_interval: float = 300.0  # for which a Tenant's spend is remembered
    prices: Prices = field(default_factory=list_prices)
