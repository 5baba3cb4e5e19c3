"""`lint` of a ModelEndpoint, and findings in the words of the operator."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.cli.main import main

TENANT = "manifests/samples/tenant/tenant.yaml"
ENDPOINT = """
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata: {name: digits, namespace: team-a}
spec:
  variants: [{name: all, model: {package: {group: digits, version: 1}}, resources: {instanceType: ml.m5.large}}]
"""
SAMPLE = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: digits-sample, namespace: team-a}
data: {sample.csv: "1,2"}
"""
SCALED = ENDPOINT.replace("version: 1", "version: 7").replace(
    "resources:", "autoscaling: {minCapacity: 1, maxCapacity: 4, targetInvocationsPerInstance: 200}, resources:"
)
SERVERLESS = ENDPOINT.replace("resources: {instanceType: ml.m5.large}", "serverless: {memorySizeInMB: 2048, maxConcurrency: 5}")
TESTED = ENDPOINT + "  smokeTest: {payload: {configMapRef: {name: digits-sample, key: sample.csv}}}\n"
TOPIC = "arn:aws:sns:eu-central-1:999999999999:a"
BATCH = """
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata: {name: digits, namespace: team-a}
spec:
  batch:
    model: {package: {group: digits, approved: Latest}}
    input: s3://team-a-ml/in/
    output: s3://team-a-ml/out/
    contentType: text/csv
    splitType: Line
    schedule: {cron: "0 2 * * *", timeZone: Europe/Zurich}
"""
POLICY = """
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: MonitorPolicy
metadata: {name: fees, namespace: team-a}
spec:
  target: {endpointRef: {name: fees}}
  schedule: {cron: '30 * * * *', timeZone: Europe/Zurich}
  window: 1h
  groundTruth: {s3Uri: s3://team-a-ml/actuals/, idField: eventId, maxDelay: 2h}
  checks: [{name: inputs, type: DataQuality, completeness: 0.99}]
"""
RUN = """
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: TrainingRun
metadata: {name: digits, namespace: team-a}
spec:
  source: {configMapRef: {name: code}}
  inputs: [{name: raw, s3Uri: s3://team-a-ml/raw/}]
  train: {framework: {name: sklearn, version: 1.2-1}, entryPoint: train.py, channels: [raw]}
  overrides: {createTrainingJob: {EnableNetworkIsolaton: true}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: code, namespace: team-a}
data: {train.py: "print()"}
"""


def _lint(folder: Path, text: str) -> int:
    path = folder / "manifest.yaml"
    path.write_text(text)
    return main(["lint", str(path), TENANT])


@pytest.mark.parametrize("text", [ENDPOINT, SERVERLESS, TESTED, TESTED + SAMPLE, ENDPOINT + "  async: {}\n"])
def test_a_good_endpoint_lints_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Nothing on stdout, and it was looked at."""
    assert _lint(tmp_path, text) == 0
    said = capsys.readouterr()
    assert said.out.strip() == ""
    assert "2 checked, 0 to mend" in said.err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (ENDPOINT.replace("version: 1", "approved: Newest"), "spec.variants[0].model.package.approved"),
        (ENDPOINT.replace("group: digits, version: 1", "group: digits"), "exactly one of version or approved must be given"),
        (BATCH.replace("s3://team-a-ml/out/", "s3://elsewhere/"), "spec.batch.output"),
        (BATCH + "  overrides: {createTransformJob: {BatchStrategy: Both}}", "spec.overrides.createTransformJob.BatchStrategy"),
        (BATCH.replace("0 2 * * *", "0 25 * * *"), "spec.batch.schedule.cron"),
        (ENDPOINT.replace("ml.m5.large", "ml.p4d.24xlarge"), "Tenant team-a allows instanceTypes [ml.m5.*]"),
        (
            SERVERLESS + "  dataCapture: {initialSamplingPercentage: 100, captureModes: [Input]}\n",
            "spec.dataCapture: AWS Serverless Inference captures no data",
        ),
        (ENDPOINT + "  async: {output: s3://elsewhere/}\n", "spec.async.output"),
        (ENDPOINT + f"  async: {{errorTopicArn: '{TOPIC}'}}\n", "spec.async.errorTopicArn"),
        (ENDPOINT + f"  notify: [{{snsTopicArn: '{TOPIC}', transitions: [Failed]}}]\n", "spec.notify[0].snsTopicArn"),
        (ENDPOINT + f"  notify: [{{snsTopicArn: '{TOPIC}', transitions: [Breached]}}]\n", "spec.notify[0].transitions[0]"),
        (ENDPOINT + f"  notify: [{{snsTopicArn: '{TOPIC}', on: [Failed]}}]\n", "spec.notify[0]"),
        (TESTED.replace("key: sample.csv", "key: other.csv") + SAMPLE, "ConfigMap digits-sample has no other.csv, it holds sample.csv"),
    ],
)
def test_a_mistake_in_an_endpoint_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    """The schema's words, the rules' and the fence's."""
    assert _lint(tmp_path, text) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("", ""),
        ("s3://team-a-ml/actuals/ s3://elsewhere/actuals/", "spec.groundTruth.s3Uri"),
        ("DataQuality DataQualitee", "spec.checks[0].type"),
        ("'30_*_*_*_*' '30_*_*'", "spec.schedule.cron"),
        (
            "window: notify:_[{snsTopicArn:_'arn:aws:sns:us-east-1:123456789012:a',_transitions:_[Breached]}]\n__window:",
            "spec.notify[0].snsTopicArn",
        ),
    ],
)
def test_a_mistake_in_a_policy_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, words: str) -> None:
    """The schema's words and the fence's; one that is right has none."""
    old, _, new = (part.replace("_", " ") for part in change.partition(" "))
    assert _lint(tmp_path, POLICY.replace(old, new) if old else POLICY) == (1 if words else 0), capsys.readouterr().out
    assert words in capsys.readouterr().out


def test_render_prints_what_a_check_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The job and the alarm, with the user's members; what is not known has the name of who knows it. A mistake is named instead."""
    alarm = "{name: a, check: inputs, operator: '>', threshold: {initial: 1}, createCloudWatchAlarm: true}"
    added = f"  alarms: [{alarm}]\n  overrides: {{createProcessingJob: {{Environment: {{LOG_LEVEL: debug}}}}}}\n"
    path = tmp_path / "policy.yaml"
    path.write_text(POLICY + added)
    assert main(["render", str(path), TENANT]) == 0
    rendered = list(yaml.safe_load_all(capsys.readouterr().out))
    calls = [entry["call"] for entry in rendered]
    assert calls == ["s3:PutObject", "s3:PutObject", "sagemaker:CreateProcessingJob", "cloudwatch:PutMetricAlarm"]
    assert {entry["policy"] for entry in rendered} == {"MonitorPolicy/team-a/fees"}
    job = rendered[2]["parameters"]
    assert job["Environment"] == {"LOG_LEVEL": "debug"}
    assert all(
        validate(*call.split(":"), entry["parameters"]) == () for call, entry in zip(calls, rendered, strict=True) if "s3" not in call
    )
    path.write_text(POLICY + added.replace("Environment", "Enviroment"))
    assert main(["render", str(path), TENANT]) == 1
    assert "spec.overrides.createProcessingJob.Enviroment: is not a member of" in capsys.readouterr().err


def test_every_target_is_rendered(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "policy.yaml"
    batch = POLICY.replace("{endpointRef: {name: fees}}", "{batchOf: {endpointRef: {name: fees}}}").replace(
        "cron: '30 * * * *', timeZone: Europe/Zurich", "after: {batchOf: {endpointRef: {name: fees}}}"
    )
    path.write_text(batch)
    assert main(["render", str(path), TENANT]) == 0
    assert "CreateProcessingJob" in capsys.readouterr().out
    path.write_text(POLICY.replace("{endpointRef: {name: fees}}", "{endpointName: by-hand}"))
    assert main(["render", str(path), TENANT]) == 1
    assert 'spec.target.endpointName: "by-hand" is not allowed' in capsys.readouterr().err


def test_policies_that_wait_for_each_other_are_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each of them, with the way round; in the operator's words."""
    cron = "{cron: '30 * * * *', timeZone: Europe/Zurich}"
    first = POLICY.replace(cron, "{after: {monitorPolicyRef: {name: late}}}")
    second = POLICY.replace(cron, "{after: {monitorPolicyRef: {name: fees}}}").replace("{name: fees, n", "{name: late, n")
    assert _lint(tmp_path, f"{first}---{second}") == 1
    out = capsys.readouterr().out
    assert "spec.schedule.after.monitorPolicyRef: fees -> late -> fees: each waits for the next" in out
    assert "late -> fees -> late" in out
    assert _lint(tmp_path, f"{first}---{POLICY.replace('{name: fees, n', '{name: late, n')}") == 0


def test_a_wrong_override_is_named_where_it_was_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With the member that was meant; the operator's condition says the same."""
    assert _lint(tmp_path, RUN) == 1
    out = capsys.readouterr().out
    assert "spec.overrides.createTrainingJob.EnableNetworkIsolaton: is not a member of" in out
    assert "did you mean EnableNetworkIsolation?" in out


def test_render_prints_the_batch_job(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exactly the request, but for the model and the name's hash."""
    path = tmp_path / "batch.yaml"
    path.write_text(BATCH)
    assert main(["render", str(path), TENANT]) == 0
    *_, made = yaml.safe_load_all(capsys.readouterr().out)
    assert (made["call"], made["step"]) == ("sagemaker:CreateTransformJob", "batch")
    assert made["parameters"]["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://team-a-ml/in/"
    assert made["parameters"]["TransformOutput"]["AssembleWith"] == "Line"


def test_render_prints_what_serving_takes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the order of the calls; what the registry knows is named after it, and every request is one that AWS's model takes."""
    path = tmp_path / "scaled.yaml"
    path.write_text(SCALED)
    assert main(["render", str(path), TENANT]) == 0
    made = list(yaml.safe_load_all(capsys.readouterr().out))
    assert [(item["step"], item["call"].partition(":")[2]) for item in made] == [
        ("models", "CreateModel"),
        ("config", "CreateEndpointConfig"),
        ("endpoint", "CreateEndpoint"),
        ("update", "UpdateEndpoint"),
        ("autoscaling", "RegisterScalableTarget"),
        ("autoscaling", "PutScalingPolicy"),
    ]
    assert made[0]["parameters"]["PrimaryContainer"]["Image"] == "image-of-model-package/digits/7"
    assert made[1]["parameters"]["ProductionVariants"][0]["ModelName"] == made[0]["parameters"]["ModelName"]
    assert all(not validate("sagemaker", item["call"].partition(":")[2], item["parameters"]) for item in made[:4])
