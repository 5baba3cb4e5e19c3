"""A spent month holds checks, endpoints and batch jobs back, and nothing that runs: until the limit is raised or the next month."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.budget import Spend, budget_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveVariant, NoEndpoint
from sagemaker_gitops.core.plan import After, Plan
from sagemaker_gitops.core.tenancy import Binding, Bound
from tests.tenants import bound
from tests.unit.aws import batch_world, monitor_world
from tests.unit.aws.batch_world import variants
from tests.unit.aws.passes import operations
from tests.unit.core.endpoint_case import UPDATES, Case, model, reasons

DECEMBER = datetime(2026, 12, 1, tzinfo=UTC)
SPENT, LITTLE = Spend(Decimal(60), as_of="2026-11-21"), Spend(Decimal(0))


class Told:
    """aws.kinds.spending.Spending that says `spend`; `looks` counts how often it mattered."""

    def __init__(self, spend: Spend = SPENT) -> None:
        self.spend, self.looks = spend, 0

    async def before(self, scope: Callable[[Bound], Scope], binding: Binding, now: datetime, pays: Callable[[], bool]) -> Spend | None:
        if budget_of(binding) is None or not pays():
            return None
        self.looks += 1
        return self.spend


def budgeted(budget: str = "50") -> Bound:
    return bound(limits={"monthlyBudgetUsd": budget})


class Policy(monitor_world.World):
    def __init__(self) -> None:
        self.told = Told()
        super().__init__({"limits": {"monthlyBudgetUsd": "50"}})

    def restart(self) -> None:
        super().restart()
        self.kind.spending = self.told

    def raise_limit(self) -> None:
        self.references.tenant = budgeted("100")


def due() -> Policy:
    """A policy whose hourly check is due."""
    world = Policy()
    world.turn()
    assert world.told.looks == 0
    world.aws.captured(datetime(2026, 11, 21, 10, 15, tzinfo=UTC))
    world.at(10, 31)
    return world


def words(status: Any) -> str:
    found = next(item for item in status["conditions"] if item["type"] == "Ready")
    assert found["reason"] == "BudgetExhausted"
    return str(found["message"])


def left(made: Plan, now: datetime) -> timedelta:
    assert isinstance(made.requeue, After)
    return now + timedelta(seconds=made.requeue.seconds) - DECEMBER


def test_a_check_waits_and_stays_due() -> None:
    """Its moment is not recorded as heeded; the limit is named, the estimate and when it ends."""
    world = due()
    made = world.turn()
    assert operations(made) == []
    assert left(made, world.aws.now) == timedelta(0)
    assert world.status["phase"] == "Pending"
    assert "about 60 USD in November 2026" in words(world.status)
    assert "limits.monthlyBudgetUsd is 50" in words(world.status)
    assert world.told.looks == 1
    world.raise_limit()
    assert operations(world.turn())[-1] == "CreateProcessingJob"


def test_a_check_goes_on_in_the_new_month() -> None:
    """By itself."""
    world = due()
    world.turn()
    world.told.spend = LITTLE
    world.aws.now = DECEMBER
    world.aws.captured(datetime(2026, 11, 30, 23, 15, tzinfo=UTC))
    assert operations(world.turn())[-1] == "CreateProcessingJob"


def test_a_lost_status_does_not_reset_it() -> None:
    """Nor does another process."""
    world = due()
    world.turn()
    world.wipe()
    world.check_now("again")
    assert operations(world.turn()) == []
    assert words(world.status)


def test_a_check_under_way_ends_as_ever() -> None:
    """Nothing is stopped, and nobody asks what was spent."""
    world = due()
    world.told.spend = LITTLE
    world.turn()
    world.told.spend = SPENT
    made = world.turn()
    assert (operations(made), world.told.looks) == ([], 1)
    assert world.conditions().get("Ready") != "False BudgetExhausted"


def case(**spec: Any) -> Case:
    return Case(budgeted(), **spec)


@pytest.mark.capability("F14")
def test_no_endpoint_is_made_until_there_is_money() -> None:
    """Neither its model nor its config; then all of it."""
    one = case()
    made = one.decide(NoEndpoint(), spend=SPENT)
    assert operations(made) == []
    assert (made.status["phase"], left(made, one.now)) == ("Pending", timedelta(0))
    assert "until 2026-12-01T00:00:00Z or until the limit is raised" in words(made.status)
    one.tenant = budgeted("100")
    assert operations(one.decide(NoEndpoint(), spend=SPENT))[-1] == "CreateEndpoint"


def test_an_endpoint_is_made_in_the_new_month() -> None:
    """The spend starts anew."""
    one = case()
    one.decide(NoEndpoint(), spend=SPENT)
    one.now = DECEMBER
    assert operations(one.decide(NoEndpoint(), spend=LITTLE))[-1] == "CreateEndpoint"


def test_an_endpoint_that_serves_gets_another_model_all_the_same() -> None:
    """It costs what it cost; a fix, or a way back, is never held."""
    one = case()
    live = one.live()
    assert operations(one.decide(live, model(8), spend=SPENT)) == UPDATES


@pytest.mark.parametrize(("count", "calls"), [(3, []), (1, ["UpdateEndpointWeightsAndCapacities"])])
def test_more_instances_wait_and_fewer_do_not(count: int, calls: list[str]) -> None:
    """What serves is not touched; smaller is what a spent month needs."""
    one = case()
    latest = {"package": {"group": "digits", "approved": "Latest"}}
    one.edit(variants=[{"name": "all", "model": latest, "resources": {"instanceCount": count}}])
    made = one.decide(one.live(variants={"all": LiveVariant(1.0, 2)}), spend=SPENT)
    assert operations(made) == calls
    if not calls:
        assert made.status["phase"] == "InService"
        assert words(made.status)
    else:
        assert reasons(made)["Ready"] != "False BudgetExhausted"


def test_another_variant_waits() -> None:
    """It has machines of its own."""
    one = case()
    live = one.live()
    latest = {"package": {"group": "digits", "approved": "Latest"}}
    one.edit(variants=[{"name": name, "model": latest} for name in ("all", "second")])
    made = one.decide(live, spend=SPENT)
    assert operations(made) == []
    assert words(made.status)


class Batch(batch_world.World):
    def __init__(self, monkeypatch: pytest.MonkeyPatch, **spec: Any) -> None:
        self.told = Told()
        self.limit(monkeypatch, "50")
        super().__init__(**spec)

    def restart(self) -> None:
        super().restart()
        self.kind.spending = self.told

    def limit(self, monkeypatch: pytest.MonkeyPatch, budget: str) -> None:
        limits = budgeted(budget).spec.limits
        monkeypatch.setattr(batch_world, "TENANT", Bound("team-a", TENANT.spec.model_copy(update={"limits": limits})))


TENANT = batch_world.TENANT


def test_a_batch_job_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Alone, the object says so; with a raised limit the same job runs."""
    world = Batch(monkeypatch)
    assert operations(world.turn()) == []
    assert world.snapshot.status["phase"] == "Pending"
    assert words(world.snapshot.status)
    assert "about 60 USD" in world.batch["message"]
    world.limit(monkeypatch, "100")
    assert operations(world.turn()) == ["CreateModel", "CreateTransformJob"]


def test_a_batch_job_beside_an_endpoint_waits_and_the_endpoint_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """status.batch says why."""
    world = Batch(monkeypatch, variants=variants())
    world.told.spend = LITTLE
    made = world.turn()
    while "CreateEndpoint" not in operations(made):
        made = world.turn()
    world.told.spend = SPENT
    made = world.settle(6)
    assert world.aws.count("CreateTransformJob") == 0
    assert world.snapshot.status["phase"] == "InService"
    assert "limits.monthlyBudgetUsd is 50" in world.batch["message"]
    assert world.conditions()["Ready"].startswith("True")
