"""A MonitorPolicy with the real jobs/monitoring: capture, ground truth by id, a user's script, and the report that the operator reads."""

from __future__ import annotations

import json
import uuid
from collections import Counter
from typing import Any

import pytest

from tests.system.policies import CHECK, Policies
from tests.system.stack import Stack, condition

LOSS = """
import json, os, pathlib
lines = [json.loads(line) for line in pathlib.Path(os.environ["MONITOR_MERGED"]).read_text().splitlines()]
found = [line for line in lines if line["groundTruth"] is not None]
metric = {"name": "wql", "value": float(len(found)) / len(lines), "sampleSize": len(lines)}
pathlib.Path(os.environ["MONITOR_OUTPUT"]).write_text(json.dumps({"metrics": [metric]}))
"""


# The local AWS runs a repository of this name with the Python of this machine (local_aws/images.yaml).
EXPLAINER = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/python:1.0"
EXPLAIN = """
import json, os, pathlib
lines = [line for path in pathlib.Path(os.environ["MONITOR_CAPTURE"]).rglob("*.jsonl") for line in path.read_text().splitlines()]
assert json.loads(pathlib.Path(os.environ["MONITOR_CONFIG"]).read_text())["checks"][0]["name"] == os.environ["MONITOR_CHECK"]
attributions = {"amount": [1.0 for _ in lines], "region": [-5.0 for _ in lines]}
pathlib.Path(os.environ["MONITOR_OUTPUT"]).write_text(json.dumps({"attributions": attributions}))
"""


@pytest.fixture
def policies(stack: Stack) -> Policies:
    return Policies(stack)


@pytest.mark.capability("G6", "G9", "G17")
def test_the_real_job_joins_truth_and_runs_the_users_script(policies: Policies) -> None:
    """Four requests, three with a truth: LowMatch below minMatched is no verdict; enough of them is."""
    name, folder = "job", f"actuals/{uuid.uuid4().hex[:8]}/"
    policies.captured(name, 0.25)
    ids = [f"request-{number}" for number in range(4)]
    policies.identified(name, ids)
    truth = [
        {"groundTruthData": {"data": "0.3", "encoding": "CSV"}, "eventMetadata": {"eventId": key}, "eventVersion": "0"} for key in ids[:3]
    ]
    body = "".join(f"{json.dumps(line)}\n" for line in truth).encode()
    policies.stack.client("s3").put_object(Bucket="team-a-ml", Key=f"{folder}actuals.jsonl", Body=body)
    given = {"s3Uri": f"s3://team-a-ml/{folder}", "idField": "eventId"}
    checks = [{"name": "inputs", "type": "DataQuality", "completeness": 0.99}, CHECK]
    policies.policy(name, files={"loss.py": LOSS}, checks=checks, minSampleSize=2, groundTruth={**given, "minMatched": 4})
    assert policies.check(name)["data"]["state"] == "LowMatch"
    assert condition(policies.policy_status(name), "DataAvailable")["reason"] == "LowMatch"
    policies.policy(name, files={"loss.py": LOSS}, checks=checks, minSampleSize=2, groundTruth={**given, "minMatched": 3})
    last = policies.check(name)
    status = policies.policy_status(name)
    assert "data" in last, status.get("failure")
    assert (last["state"], status["phase"], last["data"]["captured"], last["data"]["matched"]) == ("Succeeded", "Passing", 4, 3)
    assert {"check": "loss", "name": "wql", "value": "0.75", "sampleSize": 4} in last["metrics"]


@pytest.mark.capability("G2", "G9")
def test_an_image_of_the_user_explains_the_window_before_the_check(policies: Policies) -> None:
    """Two jobs for one check: the image's reads the captured window, the check compares what it wrote with the baseline; the same again
    under the same name makes none.
    """
    name, baseline = "explained", f"baselines/{uuid.uuid4().hex[:8]}/baseline.json"
    policies.captured(name, 0.25)
    policies.ask_times(name)
    document = {"statistics": {"features": []}, "constraints": {"features": []}, "attributions": {"amount": 3.0, "region": 1.0}}
    policies.stack.client("s3").put_object(Bucket="team-a-ml", Key=baseline, Body=json.dumps(document).encode())
    check = {"name": "why", "type": "Explainability", "image": EXPLAINER, "entryPoint": "explain.py"}
    given: dict[str, Any] = {"checks": [check], "baseline": {"s3Uri": f"s3://team-a-ml/{baseline}"}, "minSampleSize": 2}
    policies.policy(name, files={"explain.py": EXPLAIN}, **given)
    made = policies.stack.created_by(lambda: policies.check(name, "first"))
    assert made == Counter({"sagemaker:CreateProcessingJob": 2})
    status = policies.policy_status(name)
    last = status["lastCheck"]
    assert (last["state"], last["data"]["captured"]) == ("Succeeded", 3), status.get("failure")
    (metric,) = last["metrics"]
    assert (metric["name"], metric["sampleSize"], round(float(metric["value"]), 4)) == ("ndcg", 3, 0.7967)
    (violation,) = status["violations"]
    assert (violation["check"], violation["constraint"]) == ("why", "featureAttributionDrift")
    jobs = policies.stack.client("sagemaker").list_processing_jobs(NameContains=f"{name}-attribution-")["ProcessingJobSummaries"]
    (job,) = (policies.stack.client("sagemaker").describe_processing_job(ProcessingJobName=item["ProcessingJobName"]) for item in jobs)
    assert job["AppSpecification"]["ImageUri"] == EXPLAINER

    policies.wipe_policy(name)
    assert policies.stack.created_by(lambda: policies.check(name, "first")) == Counter()

    policies.policy(name, **(given | {"checks": [check | {"image": EXPLAINER.replace("/team-a/", "/team-b/")}]}))
    refused = policies.until_policy(name, lambda found: condition(found, "Stalled").get("reason") == "TenantPolicy")
    assert "spec.checks[0].image" in condition(refused, "Stalled")["message"]
