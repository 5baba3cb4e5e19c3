"""A MonitorPolicy with the real jobs/monitoring: capture, ground truth by id, a user's script, and the report that the operator reads."""

from __future__ import annotations

import json
import uuid

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
