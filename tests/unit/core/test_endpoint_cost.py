"""The estimate: what is known is multiplied, what is not known is said, and nothing is guessed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from sagemaker_gitops.config import ConfigError, Settings
from sagemaker_gitops.core.kinds.model_endpoint.cost import estimate
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveVariant
from sagemaker_gitops.core.prices import Prices, list_prices, prices_of
from tests.unit.core.test_endpoint_tags_and_drift import Tagged

PRICES = Prices("2026-11-21", {"eu-central-1": {"ml.m5.large": Decimal("0.1")}})
ENVIRONMENT = {"SAGEMAKER_GITOPS_INSTALL_ID": "test"}


@pytest.mark.capability("F14")
def test_live_instances_are_estimated_by_the_hour() -> None:
    """What a scaler made of them counts, not what the spec asks for; dated."""
    case = Tagged()
    live = case.live(variants={"all": LiveVariant(1.0, 3)})
    assert estimate(PRICES, case.serving(), live) == {"hourlyUsd": "0.3000", "monthlyUsd": "219.00", "pricesAsOf": "2026-11-21"}


def test_an_unknown_price_is_a_reason_and_no_figure() -> None:
    """Not a sum of the rest."""
    case = Tagged(
        variants=[{"name": "all", "model": {"package": {"group": "digits", "version": 7}}, "resources": {"instanceType": "ml.m5.24xlarge"}}]
    )
    found = estimate(PRICES, case.serving(), case.live())
    assert set(found) == {"reason", "pricesAsOf"}
    assert "no price of ml.m5.24xlarge in eu-central-1 is known" in found["reason"]


def test_what_is_billed_by_the_request_is_not_estimated() -> None:
    """A variant without an instance type."""
    case = Tagged()
    serving = case.serving()
    serverless = replace(serving, effective=replace(serving.effective, instance_types={}))
    assert "billed by the request is not estimated" in estimate(PRICES, serverless, case.live())["reason"]
    queued = Tagged(**{"async": {}})
    assert "is not estimated" in estimate(PRICES, queued.serving(), queued.live())["reason"]


def test_the_status_carries_it() -> None:
    """With the table of the package, whose region the test's is not."""
    case = Tagged()
    assert "no price" in case.sees(case.live()).status["cost"]["reason"]


def test_the_table_of_the_package_is_sound() -> None:
    """Prices grow with the size within a family."""
    table = list_prices()
    for types in table.hosting.values():
        for family in {name.split(".")[1] for name in types}:
            prices = [price for name, price in types.items() if name.split(".")[1] == family]
            assert prices == sorted(prices)


def test_the_platform_team_completes_the_table(tmp_path: Path) -> None:
    """A mounted file over what the package knows; the rest stays."""
    path = tmp_path / "prices.yaml"
    path.write_text("asOf: 2027-01-01\nhosting: {eu-central-1: {ml.m5.large: 0.138}, us-east-1: {ml.m5.large: 0.1}}\n")
    prices = Settings.from_env({**ENVIRONMENT, "SAGEMAKER_GITOPS_PRICES": str(path)}).prices
    assert prices.hosting_hour("eu-central-1", "ml.m5.large") == Decimal("0.138")
    assert prices.hosting_hour("us-east-1", "ml.m5.large") == Decimal("0.1")
    assert prices.hosting_hour("us-east-1", "ml.m5.xlarge") == Decimal("0.23")
    assert prices.as_of == "2027-01-01"


WRONG: tuple[tuple[Any, str], ...] = (
    ("- x", "must be {asOf"),
    ("hosting: {}", "asOf is missing"),
    ("{asOf: x, hosting: {a: 1}}", "hosting.a must map"),
    ("{asOf: x, hosting: {a: {b: free}}}", "hosting.a.b must be dollars per hour"),
    ("{asOf: x, hosting: {a: {b: -1}}}", "hosting.a.b must be dollars per hour"),
    ("{", "is not YAML"),
)


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_a_table_that_cannot_be_is_refused_at_the_start(text: str, words: str, tmp_path: Path) -> None:
    """With the variable and what is wrong."""
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="SAGEMAKER_GITOPS_PRICES") as refused:
        Settings.from_env({**ENVIRONMENT, "SAGEMAKER_GITOPS_PRICES": str(path)})
    assert words in str(refused.value)
    with pytest.raises(ConfigError, match="cannot be read"):
        Settings.from_env({**ENVIRONMENT, "SAGEMAKER_GITOPS_PRICES": str(tmp_path / "absent")})
    assert prices_of({"asOf": "x", "hosting": {}}, PRICES).hosting == PRICES.hosting
