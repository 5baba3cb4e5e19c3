"""What a Tenant has spent, as AWS tells: every kind of resource, ours alone, with few calls, whatever has become of a status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.core.budget import Spend
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.naming import OWNER_TAGS
from sagemaker_gitops.core.prices import Prices
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound
from tests.tenants import TEAM_A, bound
from tests.unit.aws.aws_adapter_fakes import FakeAws, refused
from tests.unit.aws.batch_world import OneTenant

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
HOUR = timedelta(hours=1)
PRICES = Prices("2026-11-21", {"eu-central-1": {"ml.m5.large": Decimal(1)}})
KEY = Key("TrainingRun", "team-a", "digits")
TENANT = bound(limits={"monthlyBudgetUsd": "2000"})
MACHINES = {"InstanceType": "ml.m5.large", "InstanceCount": 2}
OURS = dict(zip(OWNER_TAGS, ("test", "team-a", "digits", "TrainingRun"), strict=True))


class Budgeted(OneTenant):
    tenant = TENANT
    labels: Mapping[str, str] = {}

    def namespace_labels(self, namespace: str) -> Mapping[str, str]:
        return self.labels

    def tenants(self) -> list[Bound]:
        return [self.tenant]


class Account:
    """Everything that costs, by name; `tags` of what is not ours."""

    def __init__(self) -> None:
        self.jobs: dict[tuple[str, str], dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.runs: dict[str, list[dict[str, Any]]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.aws = FakeAws(self.answer)
        self.references = Budgeted()
        self.restart()

    def restart(self) -> None:
        self.spending = Spending(self.aws, self.references, Settings("test", prices=PRICES))

    def job(self, noun: str, name: str, hours: float, *, ended: bool = True, **more: Any) -> None:
        machines: dict[str, dict[str, Any]] = {
            "Processing": {"ProcessingResources": {"ClusterConfig": MACHINES}},
            "Transform": {"TransformResources": MACHINES},
        }
        times: dict[str, Any] = {f"{noun}StartTime": NOW - hours * HOUR} | ({f"{noun}EndTime": NOW} if ended else {})
        state = {f"{noun}JobStatus": "Completed" if ended else "InProgress"}
        self.jobs[noun, name] = times | state | machines.get(noun, {"ResourceConfig": MACHINES}) | more

    def answer(self, operation: str, given: Mapping[str, Any]) -> Mapping[str, Any] | Exception:
        for noun in ("Training", "Processing", "Transform"):
            if operation == f"List{noun}Jobs":
                assert given["CreationTimeAfter"] == datetime(2026, 10, 27, tzinfo=UTC)
                names = [name for kind, name in self.jobs if kind == noun and given.get("NameContains", "") in name]
                return {f"{noun}JobSummaries": [{f"{noun}JobName": name} for name in names]}
            if operation == f"Describe{noun}Job":
                return self.jobs[noun, given[f"{noun}JobName"]]
        match operation:
            case "ListTags":
                tags = self.tags.get(given["ResourceArn"].rpartition("/")[2], OURS)
                return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            case "ListEndpoints":
                return {"Endpoints": [{"EndpointName": name} for name in self.endpoints]}
            case "DescribeEndpoint":
                return self.endpoints[given["EndpointName"]]
            case "DescribeEndpointConfig":
                return {"ProductionVariants": [{"VariantName": "all", "InstanceType": "ml.m5.large"}, {"VariantName": "thin"}]}
            case "ListJobs":
                assert given["Tags"]["sagemaker-gitops.dev/install"] == "test"
                return {"JobNames": list(self.runs)}
            case "GetJobRuns":
                return {"JobRuns": self.runs[given["JobName"]]}
        raise AssertionError(operation)

    def look(self, now: datetime = NOW, *, due: bool = True) -> Spend | None:
        return asyncio.run(self.spending.before(lambda tenant: scope_of(tenant.spec, KEY), self.references.tenant, now, lambda: due))

    def usd(self, now: datetime = NOW) -> Decimal:
        found = self.look(now)
        assert found is not None
        return found.usd

    def asked(self, *operations: str) -> list[int]:
        return [self.aws.operations.count(f"{'glue' if name in ('ListJobs', 'GetJobRuns') else 'sagemaker'}:{name}") for name in operations]


@pytest.mark.parametrize("noun", ["Training", "Processing", "Transform"])
@pytest.mark.parametrize("ended", [True, False])
def test_every_job_counts(noun: str, ended: bool) -> None:
    """Two machines for ten hours, over or not."""
    account = Account()
    account.job(noun, "team-a-digits-step-aaaaaaaaaa", 10, ended=ended)
    assert account.usd() == Decimal(20)


def test_billed_seconds_groups_and_what_never_ran() -> None:
    """Spot training is billed below its time; a cluster may have groups; a job that found no machine is free; one that has ended, has."""
    account = Account()
    account.job("Training", "team-a-spot", 10, BillableTimeInSeconds=3600)
    account.job("Training", "team-a-groups", 1, ResourceConfig={"InstanceGroups": [MACHINES, MACHINES]})
    account.job("Training", "team-a-endless", 10)
    del account.jobs["Training", "team-a-endless"]["TrainingEndTime"]
    account.jobs["Training", "team-a-endless"]["LastModifiedTime"] = NOW - 9 * HOUR
    account.jobs["Training", "team-a-never"] = {"TrainingJobStatus": "Failed", "ResourceConfig": MACHINES, "CreationTime": NOW}
    assert account.usd() == Decimal(2 + 4 + 2)


def test_an_endpoint_costs_what_it_has_since_it_is_there() -> None:
    """By its live instances; what is serverless is billed by the request."""
    account = Account()
    live = [{"VariantName": "all", "CurrentInstanceCount": 3}, {"VariantName": "thin"}]
    account.endpoints["team-a-digits-abc123"] = {
        "EndpointConfigName": "one",
        "CreationTime": datetime(2026, 9, 1, tzinfo=UTC),
        "ProductionVariants": live,
    }
    assert account.usd() == Decimal(3 * (20 * 24 + 10))


@pytest.mark.parametrize("size", [{"MaxCapacity": 2.0}, {"WorkerType": "G.025X", "NumberOfWorkers": 8}])
def test_a_glue_run_costs_by_its_capacity(size: dict[str, Any]) -> None:
    """Seconds that Glue counts, times DPUs; a run that waits costs nothing yet."""
    account = Account()
    over = {"JobRunState": "SUCCEEDED", "StartedOn": NOW - 11 * HOUR, "CompletedOn": NOW, "ExecutionTime": 36000} | size
    account.runs["team-a-digits-prepare-aaaaaaaaaa"] = [over]
    account.runs["team-a-digits-prepare-bbbbbbbbbb"] = []
    assert account.usd() == Decimal("8.80")


def test_what_others_made_does_not_count() -> None:
    """Another installation, another namespace whose name begins alike, somebody by hand; of other names no tag is read, which the role
    may not.
    """
    account = Account()
    others = [{**OURS, "sagemaker-gitops.dev/install": "other"}, {**OURS, "sagemaker-gitops.dev/namespace": "team-a-b"}, {}]
    for number, tags in enumerate(others):
        account.job("Training", f"team-a-{number}", 10)
        account.tags[f"team-a-{number}"] = tags
    account.job("Training", "my-team-a-digits", 10)
    assert account.usd() == 0
    assert account.asked("DescribeTrainingJob", "ListTags") == [0, 3]


@pytest.mark.capability("F14")
def test_it_is_counted_from_aws_alone() -> None:
    """Another process without any status finds the same."""
    account = Account()
    account.job("Training", "team-a-digits-train-aaaaaaaaaa", 10)
    before = account.usd()
    account.restart()
    assert account.usd() == before == Decimal(20)


def test_a_tenant_by_selector_counts_its_namespaces() -> None:
    """Those that it covers now, each asked for by name."""
    account = Account()
    selector = {"namespaceSelector": {"matchLabels": {"team": "a"}}, "limits": {"monthlyBudgetUsd": "2000"}}
    spec = read(TenantSpec, {name: value for name, value in TEAM_A.items() if name != "namespaces"} | selector)
    account.references.tenant, account.references.labels = replace(TENANT, spec=spec), {"team": "a"}
    account.job("Training", "team-a-digits-train-aaaaaaaaaa", 10)
    account.job("Training", "team-b-digits-train-aaaaaaaaaa", 10)
    assert account.usd() == Decimal(20)
    assert account.asked("ListTags") == [1]


def test_few_calls() -> None:
    """None without a budget or a paid plan; then one look in five minutes, and nothing that ended is described twice."""
    account = Account()
    account.job("Training", "team-a-digits-train-aaaaaaaaaa", 10)
    account.job("Training", "team-a-digits-train-bbbbbbbbbb", 1, ended=False)
    account.runs["team-a-digits-prepare-aaaaaaaaaa"] = [
        {"JobRunState": "SUCCEEDED", "StartedOn": NOW - HOUR, "CompletedOn": NOW, "MaxCapacity": 1}
    ]
    assert account.look(due=False) is None
    account.references.tenant = replace(TENANT, spec=read(TenantSpec, TEAM_A))
    assert account.look() is None
    assert account.aws.operations == []
    account.references.tenant = TENANT
    for minutes in (0, 1, 4.9):
        account.look(NOW + timedelta(minutes=minutes))
    assert account.asked("ListTrainingJobs", "ListTags", "DescribeTrainingJob", "GetJobRuns") == [1, 2, 2, 1]
    account.look(NOW + timedelta(minutes=6))
    assert account.asked("ListTrainingJobs", "ListTags", "DescribeTrainingJob", "GetJobRuns") == [2, 2, 3, 1]


def test_a_raised_limit_needs_no_new_look_and_a_new_month_does() -> None:
    """The spend of last month is not this month's."""
    account = Account()
    account.job("Training", "team-a-digits-train-aaaaaaaaaa", 10)
    last, first = datetime(2026, 11, 30, 23, 59, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC)
    assert account.usd(last) == Decimal(20)
    account.aws.answer = lambda operation, given: {}
    assert account.usd(first) == 0


def test_a_look_that_fails_starts_nothing() -> None:
    """Neither is it remembered."""
    account = Account()
    account.aws.answer = lambda operation, given: refused(Category.BLOCKED, "AccessDenied")
    with pytest.raises(AwsFailure):
        account.look()
    account.aws.answer = account.answer
    assert account.usd() == 0
