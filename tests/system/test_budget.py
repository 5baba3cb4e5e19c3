"""limits.monthlyBudgetUsd: what the month has cost, by AWS's own lists, holds the next run back until the limit is raised."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, ROOT, Sandbox
from tests.system.conftest import least_privilege
from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack, condition

DEAR = {"asOf": "2026-11-21", "hosting": {"eu-central-1": {"ml.m5.large": 9000}}}  # 2.50 USD a second
SLOW = "import time\ntime.sleep(3)\n" + TRAIN


@pytest.fixture
def dear(tmp_path: Path) -> Iterator[Stack]:
    """A sandbox in which an instance costs dollars by the second and every paid create is preceded by a look."""
    (tmp_path / "prices.yaml").write_text(yaml.safe_dump(DEAR))
    settings = OPERATOR_SETTINGS | {
        "SAGEMAKER_GITOPS_PRICES": str(tmp_path / "prices.yaml"),
        "SAGEMAKER_GITOPS_SPENDING_INTERVAL": "0s",
    }
    with Sandbox(tmp_path / "sandbox", settings) as sandbox:
        started = Stack(sandbox)
        least_privilege(started)
        yield started


def budget(stack: Stack, dollars: str) -> None:
    tenant = yaml.safe_load((ROOT / "manifests/samples/tenant/tenant.yaml").read_text())
    tenant["spec"]["limits"]["monthlyBudgetUsd"] = dollars
    stack.apply(tenant)


@pytest.mark.capability("F14")
@pytest.mark.long
def test_a_spent_month_holds_the_next_run_until_the_limit_is_raised(dear: Stack) -> None:
    """Nothing is created while it waits, whatever becomes of its status; a higher limit alone lets it run."""
    budget(dear, "900000")
    dear.run(
        "first",
        files={"prepare.py": PREPARE, "train.py": SLOW, "evaluate.py": EVALUATE},
        prepare={"glue": {"script": "prepare.py", "outputs": ["train"]}},
        train={"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]},
        evaluate={"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["train"]}},
    )
    assert dear.ended("first")["phase"] == "Succeeded"
    budget(dear, "2.00")
    dear.run("second")
    status = dear.until("second", lambda status: condition(status, "Reconciling").get("reason") == "BudgetExhausted")["status"]
    message = condition(status, "Ready")["message"]
    assert "limits.monthlyBudgetUsd is 2.00" in message, json.dumps(status)
    assert "an estimate" in message
    assert status["phase"] == "Queued"
    dear.sandbox.kubectl("patch", "tr", "second", "-n", dear.namespace, "--subresource=status", "--type=merge", "-p", '{"status": null}')
    dear.annotate("second", reconcile_requested_at="again")
    dear.until("second", lambda status: condition(status, "Reconciling").get("reason") == "BudgetExhausted")
    assert dear.accepted("second", "CreateTrainingJob") == 0
    looks = ("ListTrainingJobs", "DescribeProcessingJob", "ListTransformJobs", "ListEndpoints", "ListJobs")
    assert [name for name in looks if not dear.accepted("second", name)] == []
    # What had ended before the evaluation of the first run was looked at then, for ever.
    assert [dear.accepted("second", name) for name in ("DescribeTrainingJob", "GetJobRuns")] == [0, 0]
    assert dear.accepted("first", "GetJobRuns") > 0
    budget(dear, "900001")
    assert dear.ended("second")["phase"] == "Succeeded"
    assert dear.accepted("second", "CreateTrainingJob") == 1
