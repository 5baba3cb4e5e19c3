"""What else than a ModelEndpoint's captured traffic a MonitorPolicy watches, on the real API server and the local AWS."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from tests.system.endpoints import ENVIRONMENT, IMAGE, pinned
from tests.system.policies import Policies, answers
from tests.system.stack import Stack, condition

ROLE = "arn:aws:iam::123456789012:role/team-a/training"
ENDPOINT_WRITES = (
    "UpdateEndpoint",
    "UpdateEndpointWeightsAndCapacities",
    "DeleteEndpoint",
    "CreateEndpoint",
    "CreateEndpointConfig",
    "AddTags",
)


@pytest.fixture
def names_allowed(checked: Stack) -> Iterator[None]:
    """The Tenant lets its namespaces name endpoints that start with team-a-."""
    checked.sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", '{"spec":{"allow":{"endpointNames":["team-a-*"]}}}')
    yield
    checked.sandbox.kubectl("patch", "tenant", "team-a", "--type=merge", "-p", '{"spec":{"allow":{"endpointNames":null}}}')


def by_hand(policies: Policies, name: str, capture: str) -> None:
    """An endpoint made with boto3, in service."""
    sagemaker = policies.stack.client("sagemaker")
    container = {"Image": IMAGE, "ModelDataUrl": policies.artifact(answers(0.25)), "Environment": ENVIRONMENT}
    sagemaker.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container)
    variant = {"VariantName": "main", "ModelName": name, "InstanceType": "ml.m5.large", "InitialInstanceCount": 1}
    modes = [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
    sagemaker.create_endpoint_config(
        EndpointConfigName=name,
        ProductionVariants=[variant],
        DataCaptureConfig={
            "EnableCapture": True,
            "InitialSamplingPercentage": 100,
            "DestinationS3Uri": capture,
            "CaptureOptions": modes,
        },
    )
    sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)
    deadline = time.monotonic() + 60
    while sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] != "InService":
        assert time.monotonic() < deadline, name
        time.sleep(0.2)


@pytest.mark.capability("G1")
@pytest.mark.usefixtures("names_allowed")
@pytest.mark.long
def test_an_endpoint_that_is_not_ours_is_watched_and_never_changed(policies: Policies) -> None:
    """One check of its captured answers, under the tenant's own role."""
    name = "team-a-by-hand"
    by_hand(policies, name, "s3://team-a-ml/artifacts/by-hand/")
    policies.policy("foreign", target={"endpointName": name})
    policies.until_policy("foreign", lambda status: status.get("phase") == "Scheduled")
    policies.ask_endpoint(name, "artifacts/by-hand/", 3)
    last = policies.check("foreign")
    status = policies.policy_status("foreign")
    assert (last["state"], last["endpoint"], last["variant"], last["model"]) == ("Succeeded", name, "main", name)
    assert (last["metrics"][0]["value"], last["data"]["captured"]) == ("0.25", 3)
    assert status["target"] == f"{name}/main"
    policies.delete_policy("foreign")
    calls = policies.stack.calls_for("foreign")
    assert not [call for call in calls if call.endswith(ENDPOINT_WRITES)], calls
    assert policies.stack.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"] == "InService"


@pytest.mark.capability("G1")
@pytest.mark.usefixtures("names_allowed")
@pytest.mark.long
def test_an_endpoint_that_captures_outside_the_fence_is_refused(policies: Policies) -> None:
    name = "team-a-elsewhere"
    by_hand(policies, name, "s3://team-b-ml/capture/")
    policies.policy("fenced", target={"endpointName": name}, schedule={"cron": "* * * * *"})
    found = policies.until_policy("fenced", lambda status: condition(status, "Stalled").get("reason") == "InvalidTarget", seconds=90)
    assert (
        'spec.target.endpointName: team-a-elsewhere captures its data where it may not be read: "s3://team-b-ml/capture/"'
        in (condition(found, "Ready")["message"])
    )
    assert policies.checks_of("fenced") == 0


# Answers each line of CSV with its number of fields.
COUNTS = """
def model_fn(folder):
    return 0
def transform_fn(model, data, content_type, accept):
    return "".join(str(len(line.split(","))) + "\\n" for line in data.splitlines()), "text/csv"
"""


@pytest.mark.capability("G1")
def test_what_each_transform_job_wrote_is_checked_once(policies: Policies) -> None:
    """A job of the first data, a job of more data: two checks, each of its own output, and none after a lost status."""
    s3, stack = policies.stack.client("s3"), policies.stack
    s3.put_object(Bucket="team-a-ml", Key="customers/watched/customers.csv", Body=b"1,2\n3,4\n")
    policies.register("watched", COUNTS)
    asks = {"input": "s3://team-a-ml/customers/watched/", "output": "s3://team-a-ml/predictions/watched/"}
    batch = {**asks, "contentType": "text/csv", "splitType": "Line", "model": pinned("watched", 1)["model"]}
    metadata = {"name": "watched", "namespace": stack.namespace}
    stack.apply({"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint", "metadata": metadata, "spec": {"batch": batch}})
    target = {"batchOf": {"endpointRef": {"name": "watched"}}}
    policies.policy("written", target=target, schedule={"after": target}, window=None)
    first = policies.until_policy("written", lambda status: "lastCheck" in status and "running" not in status, seconds=90)["lastCheck"]
    assert (first["state"], first["data"]["captured"], first["metrics"][0]["value"]) == ("Succeeded", 2, "2.0")
    assert first["trigger"] == f"after ModelEndpoint/watched/{first['transformJob']}"
    s3.put_object(Bucket="team-a-ml", Key="customers/watched/more.csv", Body=b"1,2,3,4,5\n")
    stack.sandbox.kubectl("annotate", "mep", "watched", "-n", stack.namespace, "sagemaker-gitops.dev/rerun=more")
    done = policies.until_policy(
        "written", lambda status: "running" not in status and status["lastCheck"]["transformJob"] != first["transformJob"], seconds=90
    )
    assert (done["lastCheck"]["data"]["captured"], done["lastCheck"]["model"]) == (3, "watched/1")
    policies.wipe_policy("written")
    again = policies.until_policy("written", lambda status: "lastCheck" in status and "running" not in status)
    assert again["lastCheck"]["jobName"] == done["lastCheck"]["jobName"]
    assert policies.checks_of("written") == 2
