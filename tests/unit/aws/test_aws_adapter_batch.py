"""Batch jobs of a ModelEndpoint: started by what the spec names, once, whatever is lost on the way; never in the endpoint's way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.plan import After, OnEvent
from tests.unit.aws import batch_world
from tests.unit.aws.batch_world import KMS_KEY, NIGHTLY, START, TENANT, World, ended, model, serving, variants

TWO = datetime(2026, 11, 22, 2, tzinfo=UTC)
DAY = timedelta(days=1)
WITH_KEY = TENANT.spec.defaults.model_copy(update={"kms_key_arn": KMS_KEY})


def test_batch_alone_makes_a_model_and_a_job_and_no_endpoint() -> None:
    """In the order AWS needs; Ready when the job has ended well."""
    world = World()
    made = world.turn()
    assert [action.operation for action in made.actions] == ["CreateModel", "CreateTransformJob"]  # type: ignore[union-attr]
    assert world.conditions()["Reconciling"] == "True Transforming"
    ended(world)
    assert world.conditions() == {"BatchFailed": "False Succeeded", "Ready": "True Succeeded"}
    assert world.snapshot.status["phase"] == "Succeeded"
    assert (world.aws.count("CreateEndpoint"), world.aws.count("DescribeEndpoint")) == (0, 0)
    assert "endpointName" not in world.snapshot.status


def test_a_job_that_has_ended_is_never_looked_at_again() -> None:
    """Passes at rest cost nothing of it."""
    world = World()
    world.turn()
    ended(world)
    before = len(world.aws.calls)
    for _ in range(3):
        assert world.turn().requeue == OnEvent()
    assert len(world.aws.calls) == before


def test_the_request_says_everything() -> None:
    """Exactly what AWS gets."""
    batch = {
        "contentType": "text/csv",
        "splitType": "Line",
        "strategy": "MultiRecord",
        "joinSource": "Input",
        "inputFilter": "$[1:]",
        "outputFilter": "$[0,-1]",
        "maxConcurrentTransforms": 2,
        "maxPayloadInMB": 0,
        "environment": {"LOG_LEVEL": "20"},
        "resources": {"instanceType": "ml.m5.xlarge", "instanceCount": 2},
    }
    overrides = {"createTransformJob": {"ModelClientConfig": {"InvocationsTimeoutInSeconds": 600}}}
    world = World(batch=batch, overrides=overrides)
    world.turn()
    (sent,) = [given for operation, given in world.aws.calls if operation == "CreateTransformJob"]
    name, tags = sent.pop("TransformJobName"), {item["Key"]: item["Value"] for item in sent.pop("Tags")}
    assert sent == {
        "ModelName": world.batch["modelName"],
        "TransformInput": {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": "s3://team-a-ml/customers/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        },
        "TransformOutput": {"S3OutputPath": f"s3://team-a-ml/predictions/{name}/", "Accept": "text/csv", "AssembleWith": "Line"},
        "TransformResources": {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2},
        "DataProcessing": {"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"},
        "BatchStrategy": "MultiRecord",
        "MaxConcurrentTransforms": 2,
        "MaxPayloadInMB": 0,
        "Environment": {"LOG_LEVEL": "20"},
        "ModelClientConfig": {"InvocationsTimeoutInSeconds": 600},
    }
    assert (tags["sagemaker-gitops.dev/name"], tags["sagemaker-gitops.dev/step"]) == ("digits", "batch")
    assert world.batch["output"] == f"s3://team-a-ml/predictions/{name}/"


def test_the_key_of_the_tenant_encrypts_results_and_disks() -> None:
    """As for every other job."""
    world = World(kmsKeyArn=KMS_KEY)
    world.turn()
    (job,) = world.aws.jobs.values()
    assert (job["TransformOutput"]["KmsKeyId"], job["TransformResources"]["VolumeKmsKeyId"]) == (KMS_KEY, KMS_KEY)


@pytest.mark.parametrize(
    ("batch", "path"),
    [
        ({"input": "s3://elsewhere/x/"}, "spec.batch.input"),
        ({"output": "s3://elsewhere/x/"}, "spec.batch.output"),
        ({"resources": {"instanceType": "ml.p4d.24xlarge"}}, "spec.batch.resources.instanceType"),
        ({"resources": {"instanceCount": 5}}, "spec.batch.resources.instanceCount"),
        ({"model": {"image": "elsewhere/image:1"}}, "spec.batch.model.image"),
    ],
)
def test_what_the_tenant_forbids_is_refused_before_any_call(batch: dict[str, Any], path: str) -> None:
    """The same fence as everywhere."""
    world = World(batch=batch)
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert path in str(world.snapshot.status["conditions"])
    assert world.aws.calls == []


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ({"TransformResources": {"InstanceType": "ml.p4d.24xlarge"}}, "InstanceType"),
        ({"TransformResources": {"InstanceCount": 5}}, "InstanceCount"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://elsewhere/x"}}, "DestinationS3Uri"),
    ],
)
def test_overrides_are_behind_the_fence_too(override: dict[str, Any], named: str) -> None:
    """AWS's own member names are no way around it."""
    world = World(overrides={"createTransformJob": override})
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert named in str(world.snapshot.status["conditions"])


def test_an_override_that_aws_would_refuse_is_told_before_any_create() -> None:
    """Botocore's own model says so."""
    world = World(overrides={"createTransformJob": {"BatchStrategy": "Both"}})
    world.turn()
    assert world.conditions()["BatchFailed"] == "True InvalidRequest"
    assert (world.aws.count("CreateModel"), world.aws.jobs) == (0, {})


def test_a_schedule_waits_for_its_moment_and_runs_once() -> None:
    """Not at once; the pass says when it comes next."""
    world = World(batch={"schedule": NIGHTLY})
    made = world.turn()
    assert (made.requeue, world.batch["nextRun"]) == (After(16 * 3600.0), "2026-11-22T02:00:00Z")
    assert world.conditions() == {"Ready": "True Scheduled"}
    world.at(TWO)
    world.turn()
    assert (len(world.aws.jobs), world.batch["trigger"]) == (1, "schedule 2026-11-22T02:00:00Z")
    ended(world)
    world.settle()
    assert len(world.aws.jobs) == 1
    assert world.batch["nextRun"] == "2026-11-23T02:00:00Z"


def test_the_same_data_and_model_are_not_run_again_at_the_next_moment() -> None:
    """It says so; other data are run."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.at(TWO)
    world.turn()
    ended(world)
    looks = world.aws.count("DescribeTransformJob")
    world.at(TWO + DAY)
    world.settle()
    assert len(world.aws.jobs) == 1
    assert "nothing new since" in world.batch["message"]
    assert world.aws.count("DescribeTransformJob") == looks
    world.aws.objects["customers/b.csv"] = "v1"
    world.at(TWO + 2 * DAY)
    world.settle()
    assert len(world.aws.jobs) == 2


def test_moments_that_were_missed_are_made_up_for_once() -> None:
    """The newest, and it says that there were others."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.at(TWO + 4 * DAY + timedelta(hours=3))
    world.turn()
    assert world.batch["trigger"] == "schedule 2026-11-26T02:00:00Z"
    words = "were missed, from 2026-11-22T02:00:00Z on; only the newest, 2026-11-26T02:00:00Z, is made up for"
    assert words in world.batch["message"]
    ended(world)
    world.settle()
    assert len(world.aws.jobs) == 1


def test_another_schedule_counts_from_when_it_is_seen() -> None:
    """An edit at ten does not make up for nine o'clock."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.later(hours=1)
    world.edit(schedule={"cron": "30 10 * * *"})
    world.settle()
    assert world.aws.jobs == {}
    assert world.batch["nextRun"] == "2026-11-22T10:30:00Z"


def test_a_moment_that_comes_while_a_job_runs_waits_for_its_end() -> None:
    """One job at a time."""
    world = World(batch={"schedule": {"cron": "0 * * * *"}})
    world.turn()
    world.later(hours=1)
    world.turn()
    world.aws.objects["customers/a.csv"] = "v2"
    world.later(hours=2)
    world.settle()
    assert len(world.aws.jobs) == 1
    world.aws.end()
    world.settle()
    assert len(world.aws.jobs) == 2


def test_a_new_model_runs_when_it_serves_and_not_when_it_is_wanted() -> None:
    """An update under way is no new model, and one that was rolled back never becomes one."""
    world = serving(onNewModel=True)
    ended(world)
    assert len(world.aws.jobs) == 1
    first = world.batch["modelName"]
    world.edit(variants=variants(8))
    world.turn()
    world.turn()
    assert len(world.aws.jobs) == 1
    world.later(minutes=1)
    world.aws.updated()
    world.settle()
    assert len(world.aws.jobs) == 2
    assert world.batch["modelName"] != first
    ended(world)
    world.edit(variants=variants(9))
    world.turn()
    world.later(minutes=1)
    world.aws.updated(rolled_back=True)
    world.settle()
    assert world.conditions()["RolledBack"] == "True RolledBack"
    assert len(world.aws.jobs) == 2


def test_a_schedule_goes_on_with_the_model_that_serves_while_another_is_rolled_back() -> None:
    """The nightly predictions do not stop with a rollout."""
    world = serving(schedule=NIGHTLY)
    serves = world.batch["serving"]["awsName"]
    world.edit(variants=variants(8))
    world.turn()
    world.later(minutes=1)
    world.aws.updated(rolled_back=True)
    world.turn()
    world.at(TWO)
    world.turn()
    assert [job["ModelName"] for job in world.aws.jobs.values()] == [serves]


def test_batch_beside_an_endpoint_leaves_ready_to_what_serves() -> None:
    """A failed job is a condition of its own, with AWS's reason and the log."""
    world = serving(onNewModel=True)
    ended(world, "Failed", "ClientError: See job logs for more information")
    assert world.conditions() == {"BatchFailed": "True ClientError", "Ready": "True InService", "RolledBack": "False InService"}
    assert world.batch["failure"] == {
        "reason": "ClientError",
        "message": "ClientError: See job logs for more information",
        "logTail": ["ValueError: could not convert string to float"],
    }
    assert world.batch["history"][0]["message"] == "ClientError: See job logs for more information"


def test_batch_alone_is_stalled_by_a_failed_job_and_does_not_repeat_it() -> None:
    """The same would fail again; an edit is another thing."""
    world = World()
    world.turn()
    ended(world, "Failed", "AlgorithmError: exit code 1")
    world.settle()
    assert (world.conditions()["Stalled"], len(world.aws.jobs)) == ("True AlgorithmError", 1)
    world.edit(contentType="text/csv")
    world.settle()
    assert len(world.aws.jobs) == 2


def test_other_machines_are_another_attempt_after_a_failure_and_nothing_after_a_success() -> None:
    """Machines are in no name: they change how fast, not what."""
    world = World()
    world.turn()
    ended(world, "Failed", "CapacityError: try later")
    world.edit(resources={"instanceType": "ml.m5.xlarge"})
    world.settle()
    assert (len(world.aws.jobs), world.batch["attempt"]) == (2, 2)
    ended(world)
    world.edit(resources={"instanceType": "ml.m5.2xlarge"})
    world.settle()
    assert len(world.aws.jobs) == 2


def test_the_next_moment_tries_a_failed_job_again_until_one_succeeds() -> None:
    """A night without capacity is not the end of it."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    for night in range(3):
        world.at(TWO + night * DAY)
        world.settle()
        ended(world, "Completed" if night == 2 else "Failed", "" if night == 2 else "CapacityError: try later")
    assert (len(world.aws.jobs), world.batch["attempt"]) == (3, 3)
    world.at(TWO + 3 * DAY)
    world.settle()
    world.wipe()
    world.turn()
    world.at(TWO + 4 * DAY)
    world.settle()
    assert len(world.aws.jobs) == 3
    assert world.conditions()["BatchFailed"] == "False Succeeded"


def test_a_rerun_forces_one_more_job() -> None:
    """Once for each nonce, also when the annotation stays and when a schedule comes."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    world.rerun("1")
    world.settle()
    assert (len(world.aws.jobs), world.batch["trigger"]) == (1, "rerun 1")
    ended(world)
    world.settle()
    world.at(TWO)
    world.settle()
    assert len(world.aws.jobs) == 1
    world.rerun("2")
    world.settle()
    assert len(world.aws.jobs) == 2


def test_a_model_is_kept_while_a_job_runs_on_it() -> None:
    """History is cut when the job has ended."""
    world = World(variants=variants(), batch={"onNewModel": True}, rollback={"historyLimit": 0})
    world.settle()
    world.edit(variants=variants(8))
    world.turn()
    world.later(minutes=1)
    world.aws.updated()
    world.turn()
    assert world.aws.count("DeleteModel") == 0
    world.later(minutes=1)
    world.aws.end()
    world.settle()
    assert world.aws.count("DeleteModel") == 1


def test_the_model_before_it_goes_with_the_next_job_of_batch_alone() -> None:
    """Models cost nothing and clutter."""
    world = World(batch={"onNewModel": True})
    world.turn()
    first = world.batch["modelName"]
    ended(world)
    world.edit(model=model(8))
    world.settle()
    assert [given["ModelName"] for operation, given in world.aws.calls if operation == "DeleteModel"] == [first]
    assert len(world.aws.jobs) == 2


def test_the_history_is_bounded() -> None:
    """Newest first."""
    world = World(batch={"schedule": NIGHTLY})
    world.turn()
    for night in range(13):
        world.aws.objects["customers/a.csv"] = f"v{night}"
        world.at(TWO + night * DAY)
        world.settle()
        ended(world)
    assert len(world.batch["history"]) == 10
    assert world.batch["history"][0]["jobName"] == world.batch["jobName"]


def test_whom_events_and_the_sweep_wake() -> None:
    """While the job runs, and no longer."""
    world = World()
    world.turn()
    (name,) = world.aws.jobs
    assert world.kind.owners_of(name) == {world.snapshot.key}
    assert [(job.name, job.since) for job in world.kind.batch_jobs()] == [(name, START)]
    ended(world)
    assert (world.kind.owners_of(name), list(world.kind.batch_jobs())) == (set(), [])


def test_jobs_of_a_serverless_endpoint_are_encrypted_with_the_key_of_the_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Serverless Inference has no key; transform jobs have."""
    monkeypatch.setattr(batch_world, "TENANT", replace(TENANT, spec=TENANT.spec.model_copy(update={"defaults": WITH_KEY})))
    serverless = {"name": "all", "model": model(), "serverless": {"memorySizeInMB": 2048, "maxConcurrency": 5}}
    world = World(variants=[serverless], batch={"onNewModel": True})
    world.settle()
    (job,) = world.aws.jobs.values()
    assert job["TransformResources"]["VolumeKmsKeyId"] == KMS_KEY
    assert [given for operation, given in world.aws.calls if operation == "CreateEndpointConfig" and "KmsKeyId" in given] == []
