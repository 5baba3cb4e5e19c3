"""The month's estimate: hours by list prices, clipped to the month; what has no price is assumed dear, and said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.budget import GLUE_DPU, Hold, Spend, Use, budget_of, hold, month_end, pays, spent
from sagemaker_gitops.core.prices import Prices
from sagemaker_gitops.core.tenancy import Binding, Bound, Unbound
from tests.tenants import bound
from tests.unit.core.endpoint_case import TENANT

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
LARGE = "ml.m5.large"
PRICES = Prices(
    "2026-11-21", {"eu-central-1": {LARGE: Decimal("0.10")}, "us-east-1": {"ml.c5.large": Decimal("0.2"), "ml.p3.16xlarge": Decimal(28)}}
)
HOUR = timedelta(hours=1)


def total(*uses: Use, now: datetime = NOW) -> Decimal:
    return spent(uses, PRICES, "eu-central-1", now).usd


def used(hours: float, instance_type: str = LARGE, count: str = "1", billed: int | None = None) -> Use:
    return Use("job", instance_type, Decimal(count), NOW - 100 * HOUR, NOW - (100 - hours) * HOUR, billed)


@pytest.mark.capability("F14")
def test_what_has_ended_costs_its_hours_by_its_machines() -> None:
    """Any job: the time between its ends, times machines, times price."""
    assert total(used(10, count="4")) == Decimal("4.00")
    assert total(used(10), used(20)) == Decimal("3.00")


def test_seconds_that_aws_bills_count_when_they_are_fewer() -> None:
    """Managed spot training is billed below its time."""
    assert total(used(10, billed=18000)) == Decimal("0.50")


def test_what_runs_costs_until_now() -> None:
    """An endpoint, or a job without an end."""
    assert total(Use("endpoint", LARGE, Decimal(2), NOW - 10 * HOUR)) == Decimal("2.00")


def test_only_this_month_counts() -> None:
    """What began in October counts from midnight UTC of the first; what ended before it, nothing; the new month begins at 0."""
    endpoint = Use("endpoint", LARGE, Decimal(1), datetime(2026, 9, 1, tzinfo=UTC))
    over = Use("job", LARGE, Decimal(1), datetime(2026, 10, 31, 20, tzinfo=UTC), datetime(2026, 11, 1, 10, tzinfo=UTC), 14 * 3600)
    past = Use("job", LARGE, Decimal(1), datetime(2026, 10, 30, tzinfo=UTC), datetime(2026, 10, 31, tzinfo=UTC))
    assert total(endpoint) == Decimal("49.00")
    assert total(over) == Decimal("1.00")
    assert total(past) == 0
    assert total(endpoint, over, past, now=datetime(2026, 12, 1, tzinfo=UTC)) == 0


def test_glue_costs_by_its_capacity() -> None:
    """DPU hours."""
    assert total(used(10, GLUE_DPU, "0.0625")) == Decimal("0.28")
    assert spent([used(1, GLUE_DPU)], PRICES, "eu-central-1", NOW).guessed == ()


def test_an_unknown_price_is_assumed_high_and_named() -> None:
    """Twice the highest of another region; of a type nobody knows, the highest of all."""
    assert spent([used(10, "ml.c5.large")], PRICES, "eu-central-1", NOW) == Spend(Decimal("4.00"), ("ml.c5.large",), "2026-11-21")
    assert spent([used(10, "ml.new.large")], PRICES, "eu-central-1", NOW) == Spend(Decimal("280.00"), ("ml.new.large",), "2026-11-21")


def budgeted(budget: str | None) -> Bound:
    limits = {"monthlyBudgetUsd": budget} if budget else {"maxConcurrentRuns": 2}
    return bound(limits=limits)


@pytest.mark.parametrize(
    ("binding", "spend"),
    [
        (budgeted("50"), Spend(Decimal("49.99"))),
        (budgeted("50"), None),
        (budgeted(None), Spend(Decimal(10**6))),
        (TENANT, Spend(Decimal(10**6))),
        (Unbound(()), Spend(Decimal(10**6))),
    ],
)
def test_nothing_is_held_below_the_budget_or_without_one(binding: Binding, spend: Spend | None) -> None:
    """Nor where nobody had to look."""
    assert hold(binding, spend, NOW) is None


def test_the_words_of_a_hold() -> None:
    """Limit, estimate, that it is one, when it ends, and which prices are not known."""
    found = hold(budgeted("50.00"), Spend(Decimal("50.00"), ("ml.c5.large",), "2026-11-21"), NOW)
    assert found == Hold(
        "Tenant team-a has spent about 50.00 USD in November 2026 (an estimate by list prices of 2026-11-21); limits.monthlyBudgetUsd is"
        " 50.00: nothing paid is started until 2026-12-01T00:00:00Z or until the limit is raised, what runs goes on. No price is known of"
        " ml.c5.large in eu-central-1: a high one is assumed (SAGEMAKER_GITOPS_PRICES gives it)",
        (datetime(2026, 12, 1, tzinfo=UTC) - NOW).total_seconds(),
    )
    assert budget_of(budgeted("0.01")) == Decimal("0.01")


@pytest.mark.parametrize(("now", "end"), [(NOW, (2026, 12)), (datetime(2026, 12, 31, 23, 59, tzinfo=UTC), (2027, 1))])
def test_the_month_ends_at_midnight(now: datetime, end: tuple[int, int]) -> None:
    """Of the first day of the next one."""
    assert month_end(now) == datetime(*end, 1, tzinfo=UTC)


def test_only_what_is_billed_by_the_hour_pays() -> None:
    """Making a model, registering one, or stopping a job is free."""

    def of(*operations: str) -> bool:
        return pays([AwsRequest("sagemaker", operation, "x", {}) for operation in operations])

    assert of("CreateModel", "CreateTrainingJob")
    assert not of("CreateModel", "CreateEndpointConfig", "CreateModelPackage", "StopTrainingJob", "DeleteEndpoint", "UpdateEndpoint")
