"""A Tenant's monthly budget: what has been spent this month by list prices, and what is held back once that is the limit. Pure.

The facts come from aws/kinds/spending.py, once a plan is about to pay; the same `hold` answers for every kind. An estimate on purpose:
docs/decisions/0015-monthly-budget.md says what it leaves out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.prices import Prices
from sagemaker_gitops.core.tenancy import Binding, Bound

BUDGET_EXHAUSTED = "BudgetExhausted"
PAID = ("CreateTrainingJob", "CreateProcessingJob", "CreateTransformJob", "CreateJob", "StartJobRun", "CreateEndpoint")
GLUE_DPU = "Glue DPU"
GLUE_DPU_HOUR = Decimal("0.44")  # US dollars, list price of us-east-1 and most regions: https://aws.amazon.com/glue/pricing/
ELSEWHERE = 2  # no region's list price is known to be more than twice that of another
HOUR = Decimal(3600)


@dataclass(frozen=True, slots=True)
class Use:
    """Instances of one type, or Glue DPUs, for a time. `end`: None while it lasts. `billed`: seconds as AWS itself counts them."""

    name: str
    instance_type: str
    count: Decimal
    start: datetime
    end: datetime | None = None
    billed: int | None = None


@dataclass(frozen=True, slots=True)
class Spend:
    """US dollars since the month began; `guessed` are types whose price is not known, `as_of` the date of the prices."""

    usd: Decimal
    guessed: tuple[str, ...] = ()
    as_of: str = ""


@dataclass(frozen=True, slots=True)
class Hold:
    """Why nothing paid is started, and after how many seconds that ends by itself."""

    message: str
    seconds: float


def month_start(now: datetime) -> datetime:
    """Midnight UTC of the first day; `now` is in UTC."""
    return now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def month_end(now: datetime) -> datetime:
    return month_start(month_start(now) + timedelta(days=32))


def budget_of(binding: Binding) -> Decimal | None:
    """limits.monthlyBudgetUsd, if there is a Tenant and it has one."""
    limits = binding.spec.limits if isinstance(binding, Bound) else None
    return Decimal(limits.monthly_budget_usd) if limits is not None and limits.monthly_budget_usd is not None else None


def spent(uses: Iterable[Use], prices: Prices, region: str, now: datetime) -> Spend:
    """The sum over what was used since the month began, until `now` for what still lasts."""
    total, guessed = Decimal(0), set[str]()
    for use in uses:
        price, known = _hour(prices, region, use.instance_type)
        total += price * use.count * _seconds(use, now) / HOUR
        if not known:
            guessed.add(use.instance_type)
    return Spend(total.quantize(Decimal("0.01")), tuple(sorted(guessed)), prices.as_of)


def _seconds(use: Use, now: datetime) -> Decimal:
    begin, end = max(use.start, month_start(now)), min(use.end or now, now)
    inside = Decimal(str(max(0.0, (end - begin).total_seconds())))
    return inside if use.billed is None else min(inside, Decimal(use.billed))


def _hour(prices: Prices, region: str, instance_type: str) -> tuple[Decimal, bool]:
    """The price of an hour and whether it is known. If not: twice the highest of the type in another region, else the table's highest."""
    if instance_type == GLUE_DPU:
        return GLUE_DPU_HOUR, True
    price = prices.hosting_hour(region, instance_type)
    if price is not None:
        return price, True
    elsewhere = [types[instance_type] for types in prices.hosting.values() if instance_type in types]
    if elsewhere:
        return ELSEWHERE * max(elsewhere), False
    return max((price for types in prices.hosting.values() for price in types.values()), default=Decimal(0)), False


def pays(actions: Sequence[Action]) -> bool:
    """Whether one of them makes something that is billed by the hour."""
    return any(isinstance(action, AwsRequest) and action.operation in PAID for action in actions)


def hold(binding: Binding, spend: Spend | None, now: datetime) -> Hold | None:
    """Why nothing paid may be started now; None when it may. Nobody looked (`spend` is None): nothing paid was due."""
    budget = budget_of(binding)
    if budget is None or spend is None or spend.usd < budget:
        return None
    assert isinstance(binding, Bound), "only a Tenant has a budget"
    reset = month_end(now)
    message = (
        f"Tenant {binding.name} has spent about {spend.usd} USD in {now:%B %Y} (an estimate by list prices of {spend.as_of});"
        f" limits.monthlyBudgetUsd is {budget}: nothing paid is started until {timestamp(reset)} or until the limit is raised,"
        " what runs goes on"
    )
    if spend.guessed:
        unknown = f"{', '.join(spend.guessed)} in {binding.spec.region}"
        message += f". No price is known of {unknown}: a high one is assumed (SAGEMAKER_GITOPS_PRICES gives it)"
    return Hold(message, (reset - now).total_seconds())
