"""Transform jobs run a model's containers over objects of S3: results, failures, stops and refusals are those of AWS."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED
from service_kit import ACCOUNT, BUCKET, IMAGE, REGION, ROLE, archive, until
from transform_kit import COUNTS, ECHO, LOG_GROUP, TransformKit

from local_aws.faults import JobFailure

RAISES_ON_BAD = """
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    if "bad" in data:
        raise ValueError("cannot read " + data.strip())
    return data, "text/csv"
"""
GATED = """
import os, time
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    with open("{folder}/seen", "a") as seen:
        seen.write("x")
    while not os.path.exists("{folder}/gate"):
        time.sleep(0.01)
    return data, "text/csv"
"""


def test_every_object_gets_a_result_of_its_name(kit: TransformKit) -> None:
    """Below the output path as below the input prefix, with `.out` behind it; times and echo as Describe shows them."""
    request = kit.transform_request({"a.csv": "1,2\n3,4,5\n", "deep/b.csv": "1\n"}, MaxPayloadInMB=1, BatchStrategy="MultiRecord")
    answer = kit.client("sagemaker").create_transform_job(**request)
    name = request["TransformJobName"]
    assert answer["TransformJobArn"] == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/{name}"
    assert kit.completed(name) == {"a.csv.out": "2\n3\n", "deep/b.csv.out": "1\n"}
    described = kit.transform_job(name)
    assert described["TransformInput"] == request["TransformInput"] | {"CompressionType": "None"}
    assert described["DataProcessing"] == {"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}
    assert described["CreationTime"] <= described["TransformStartTime"] <= described["TransformEndTime"]
    assert "FailureReason" not in described
    assert kit.asked(name) == ["asked '1,2\\n3,4,5\\n' text/csv text/csv", "asked '1\\n' text/csv text/csv"]
    assert "MaxConcurrentTransforms=1, MaxPayloadInMB=1, BatchStrategy=MULTI_RECORD" in kit.log(LOG_GROUP, f"{name}/")


def test_a_single_record_goes_with_each_request(kit: TransformKit) -> None:
    """SplitType Line with SingleRecord; AssembleWith Line puts each answer on a line of its own."""
    model = kit.model(script=ECHO)
    files = {"a.csv": "1\n2\n3"}
    name = kit.transform(files, model, BatchStrategy="SingleRecord", TransformOutput={"AssembleWith": "Line"})
    assert kit.completed(name) == {"a.csv.out": "1\n2\n3\n"}
    name = kit.transform({"a.csv": "1\n2\n"}, BatchStrategy="SingleRecord")
    kit.completed(name)
    assert [line.split()[1] for line in kit.asked(name)] == [r"'1\n'", r"'2\n'"]


def test_an_object_is_sent_whole_without_a_split(kit: TransformKit) -> None:
    """One request for each object, its bytes untouched."""
    body = bytes(range(256))
    changes = {"SplitType": "None", "ContentType": "application/x-image"}
    name = kit.transform({"a.png": body}, kit.model(script=ECHO), TransformInput=changes, TransformOutput={"Accept": "image/x"})
    assert kit.transformed(name)["TransformJobStatus"] == "Completed"
    assert kit.read(f"s3://{BUCKET}/out/{name}/a.png.out") == body


def test_records_keep_their_order_while_requests_run_at_once(kit: TransformKit) -> None:
    """Four at a time, the first ones slowest."""
    slow = ECHO.replace("return data", "__import__('time').sleep(0.001 * (20 - int(data))); return data")
    lines = "".join(f"{number}\n" for number in range(20))
    name = kit.transform({"a.csv": lines}, kit.model(script=slow), BatchStrategy="SingleRecord", MaxConcurrentTransforms=4)
    assert kit.completed(name) == {"a.csv.out": lines}


def test_max_concurrent_transforms_is_a_limit(kit: TransformKit, tmp_path: Path) -> None:
    """Two requests are under way, not a third."""
    model = kit.model(script=GATED.format(folder=tmp_path))
    name = kit.transform({"a.csv": "1\n2\n3\n"}, model, BatchStrategy="SingleRecord", MaxConcurrentTransforms=2)
    seen = tmp_path / "seen"
    until(lambda: seen.exists() and seen.read_text() == "xx", "two requests under way")
    (tmp_path / "gate").touch()
    assert kit.completed(name) == {"a.csv.out": "1\n2\n3\n"}
    assert seen.read_text() == "xxx"


def test_a_container_may_say_how_it_wants_to_be_asked(kit: TransformKit) -> None:
    """GET /execution-parameters of a server of one's own; the data log shows what counts."""
    serve = """#!/usr/bin/env python3
import http.server, json, os
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.send_response(200); self.send_header("Content-Length", str(len(body))); self.end_headers(); self.wfile.write(body)
    def do_GET(self):
        said = {"MaxConcurrentTransforms": 2, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 3}
        self.answer(b"" if self.path == "/ping" else json.dumps(said).encode())
    def do_POST(self):
        self.answer(b"[" + self.rfile.read(int(self.headers["Content-Length"])).strip() + b"]")
http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""
    model = kit.model(script=None, files={"code/serve": serve})
    data = kit.client("sagemaker").describe_model(ModelName=model)["PrimaryContainer"]["ModelDataUrl"]
    kit.put(data.removeprefix(f"s3://{BUCKET}/"), _executable({"code/serve": serve}))
    name = kit.transform({"a.csv": "1\n2\n"}, model)
    assert kit.completed(name) == {"a.csv.out": "[1][2]"}
    assert "MaxConcurrentTransforms=2, MaxPayloadInMB=3, BatchStrategy=SINGLE_RECORD" in kit.log(LOG_GROUP, f"{name}/")


def _executable(files: dict[str, str]) -> bytes:
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as target:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content.encode()), 0o755
            target.addfile(member, io.BytesIO(content.encode()))
    return body.getvalue()


def test_the_join_keeps_what_the_model_did_not_get(kit: TransformKit) -> None:
    """The id is taken out before the model and put beside its answer afterwards, for CSV and for JSON lines."""
    processing = {"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}
    name = kit.transform({"a.csv": "id1,5,6\nid2,7\n"}, DataProcessing=processing)
    assert kit.completed(name) == {"a.csv.out": "id1,2\nid2,1\n"}
    doubles = """
import json
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    return "\\n".join(json.dumps({"twice": 2 * json.loads(line)}) for line in data.splitlines()), accept
"""
    lines = {"ContentType": "application/jsonlines"}
    processing = {"InputFilter": "$.x", "JoinSource": "Input", "OutputFilter": "$['id','SageMakerOutput']"}
    name = kit.transform(
        {"a.jsonl": '{"id": "a", "x": 1}\n{"id": "b", "x": 2}\n'},
        kit.model(script=doubles),
        TransformInput=lines,
        TransformOutput={"Accept": "application/jsonlines", "AssembleWith": "Line"},
        DataProcessing=processing,
    )
    (result,) = kit.completed(name).values()
    assert [json.loads(line) for line in result.splitlines()] == [
        {"id": "a", "SageMakerOutput": {"twice": 2}},
        {"id": "b", "SageMakerOutput": {"twice": 4}},
    ]


def test_a_join_of_different_formats_fails(kit: TransformKit) -> None:
    """CSV in, JSON out; the data log says why."""
    name = kit.transform({"a.csv": "1\n"}, TransformOutput={"Accept": "application/json"}, DataProcessing={"JoinSource": "Input"})
    assert kit.transformed(name)["FailureReason"] == "ClientError: See job logs for more information"
    assert "need the format of the input" in kit.log(LOG_GROUP, f"{name}/")


def test_inputs_may_be_listed_and_compressed(kit: TransformKit) -> None:
    """A manifest names the objects; gzip is undone."""
    base = f"manifest/{kit.name()}/"
    for path, body in {"x/a.csv": "1,2\n", "b.csv": "3\n", "not-listed.csv": "9\n"}.items():
        kit.put(base + path, gzip.compress(body.encode()))
    manifest = kit.put(f"{base}list.json", json.dumps([{"prefix": f"s3://{BUCKET}/{base}"}, "x/a.csv", "b.csv"]))
    source = {"DataSource": {"S3DataSource": {"S3DataType": "ManifestFile", "S3Uri": manifest}}, "CompressionType": "Gzip"}
    assert kit.completed(kit.transform({}, TransformInput=source)) == {"b.csv.out": "1\n", "x/a.csv.out": "2\n"}


def test_a_pipeline_transforms_too(kit: TransformKit) -> None:
    """Each container is a process of its own, with the job's environment and a log stream of its own."""
    containers = []
    for title in ("one", "two"):
        script = NAMED.replace(
            "    return f", "    import os\n    print('mode', os.environ['MODE'], os.environ['SAGEMAKER_BATCH'])\n    return f"
        )
        data = kit.put(f"chain/{kit.name()}.tar.gz", archive({"name": title, "code/inference.py": script}))
        containers.append({"Image": IMAGE, "ModelDataUrl": data, "Environment": {"MODE": "model"}})
    model = kit.name("chain")
    kit.client("sagemaker").create_model(ModelName=model, ExecutionRoleArn=ROLE, Containers=containers)
    name = kit.transform({"a.csv": "7"}, model, Environment={"MODE": "job"})
    (result,) = kit.completed(name).values()
    assert result.startswith("two:")
    assert "one:7" in result
    streams = [
        each["logStreamName"]
        for each in kit.client("logs").describe_log_streams(logGroupName=LOG_GROUP, logStreamNamePrefix=name)["logStreams"]
    ]
    assert sorted(stream.rpartition("/")[2] for stream in streams) == ["container_1", "container_2", "data-log"]
    assert kit.log(LOG_GROUP, f"{name}/").count("mode job true") == 2


def test_a_model_that_raises_fails_the_job(kit: TransformKit) -> None:
    """After the retries; objects without the bad record keep their results, and the log has the traceback and the object."""
    files = {"a.csv": "1\n", "b.csv": "1\nbad row\n", "c.csv": "3\n"}
    name = kit.transform(files, kit.model(script=RAISES_ON_BAD), ModelClientConfig={"InvocationsMaxRetries": 1})
    described = kit.transformed(name)
    assert (described["TransformJobStatus"], described["FailureReason"]) == ("Failed", "AlgorithmError: See job logs for more information")
    assert kit.results(name) == {"a.csv.out": "1\n", "c.csv.out": "3\n"}
    log = kit.log(LOG_GROUP, f"{name}/")
    assert f"{BUCKET}/in/{name}/b.csv: Bad HTTP status received from algorithm: 500" in log
    assert log.count("Traceback (most recent call last)") >= 2
    assert "ValueError: cannot read 1" in log


def test_a_refusal_of_the_container_is_a_client_error(kit: TransformKit) -> None:
    """415 of the default functions, not repeated."""
    script = "def model_fn(f): return 0\ndef predict_fn(d, m): return d\n"
    name = kit.transform({"a.xml": "<a/>"}, kit.model(script=script), TransformInput={"ContentType": "text/xml"})
    assert kit.transformed(name)["FailureReason"] == "ClientError: See job logs for more information"
    assert kit.log(LOG_GROUP, f"{name}/").count("POST /invocations") == 1


def test_a_record_over_the_payload_limit_fails(kit: TransformKit) -> None:
    """In AWS's words in the data log, before the container is asked."""
    name = kit.transform({"a.csv": "x" * 1_100_000}, MaxPayloadInMB=1)
    assert kit.transformed(name)["FailureReason"] == "ClientError: See job logs for more information"
    assert f"{BUCKET}/in/{name}/a.csv: Too much data for max payload size" in kit.log(LOG_GROUP, f"{name}/")
    assert kit.asked(name) == []


@pytest.mark.parametrize("uri", [f"s3://{BUCKET}/nothing/here/", "s3://no-such-bucket/x"])
def test_an_empty_input_fails(kit: TransformKit, uri: str) -> None:
    """With AWS's sentence, and without a container."""
    source = {"DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": uri}}}
    described = kit.transformed(kit.transform({}, TransformInput=source))
    assert described["TransformJobStatus"] == "Failed"
    assert f'No S3 objects found under S3 URL "{uri}" given in input data source.' in described["FailureReason"]


@pytest.mark.parametrize(
    ("script", "reason"), [("raise RuntimeError('broken')\n", "AlgorithmError: See job logs"), (None, "AlgorithmError: See job logs")]
)
def test_a_container_that_does_not_start_fails_the_job(kit: TransformKit, script: str | None, reason: str) -> None:
    """Its log says why."""
    name = kit.transform({"a.csv": "1\n"}, kit.model(script=script))
    assert kit.transformed(name)["FailureReason"].startswith(reason)
    assert "Error" in kit.log(LOG_GROUP, f"{name}/")


def test_the_models_role_reads_and_writes(kit: TransformKit) -> None:
    """Without s3:PutObject there is no result; without s3:GetObject there is no input."""
    kit.world.identity.deny("jobs", "s3:PutObject")
    name = kit.transform({"a.csv": "1\n"})
    assert kit.transformed(name)["FailureReason"].startswith("ClientError: Failed to upload output data: AccessDenied")
    assert kit.results(name) == {}
    kit.world.identity.deny("jobs", "s3:GetObject")
    assert "No S3 objects found" in kit.transformed(kit.transform({"a.csv": "1\n"}))["FailureReason"]


def test_a_job_is_stopped(kit: TransformKit, tmp_path: Path) -> None:
    """Stopping, then Stopped, with the results of the objects that were done; a second Stop is refused in AWS's words."""
    script = GATED.format(folder=tmp_path).replace("while not", "while 'slow' in data and not")
    name = kit.transform({"a.csv": "fast\n", "b.csv": "slow\n"}, kit.model(script=script))
    until(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text() == "xx", "the second request")
    kit.client("sagemaker").stop_transform_job(TransformJobName=name)
    assert kit.transform_job(name)["TransformJobStatus"] in ("Stopping", "Stopped")
    described = kit.transformed(name)
    assert (described["TransformJobStatus"], "FailureReason" in described) == ("Stopped", False)
    assert kit.results(name) == {"a.csv.out": "fast\n"}
    with pytest.raises(
        ClientError, match=r"\(ValidationException\).*The request was rejected because the transform job is in status Stopped\."
    ):
        kit.client("sagemaker").stop_transform_job(TransformJobName=name)


def test_a_job_is_stopped_before_it_has_capacity(kit: TransformKit) -> None:
    """No container was started and nothing is billed."""
    kit.world.settings["transform.startingSeconds"] = 30.0
    name = kit.transform({"a.csv": "1\n"})
    kit.client("sagemaker").stop_transform_job(TransformJobName=name)
    assert kit.transform_job(name)["TransformJobStatus"] == "Stopping"
    kit.world.clock.advance(30)
    described = kit.transformed(name)
    assert (described["TransformJobStatus"], "TransformStartTime" in described) == ("Stopped", False)
    assert kit.world.quotas.report()["ml.m5.large for transform job usage"]["used"] == 0
    assert all(charge["name"] != name for charge in kit.world.cost.report()["charges"])


def test_names_are_unique_and_models_exist(kit: TransformKit) -> None:
    """In AWS's words; a refused job leaves no quota taken."""
    name = kit.transform({"a.csv": "1\n"})
    kit.completed(name)
    arn = f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:transform-job/{name}"
    taken = (
        rf"\(ResourceInUse\).*Job name must be unique within an AWS account and region, and a job with this name already exists \({arn}\)"
    )
    with pytest.raises(ClientError, match=taken):
        kit.transform({}, TransformJobName=name)
    with pytest.raises(ClientError, match=r'\(ValidationException\).*Could not find model "arn:aws:sagemaker'):
        kit.transform({}, "no-such-model")
    with pytest.raises(ClientError, match=r"\(ValidationException\).*Could not find requested job with name: absent"):
        kit.transform_job("absent")
    assert kit.world.quotas.report()["ml.m5.large for transform job usage"]["used"] == 0


def test_instances_count_against_the_quota_and_cost(kit: TransformKit) -> None:
    """Refused over the limit; given back at the end; charged by the instances."""
    kit.world.quotas.configure({"ml.m5.large for transform job usage": 2})
    resources = {"InstanceType": "ml.m5.large", "InstanceCount": 3}
    with pytest.raises(ClientError, match=r"\(ResourceLimitExceeded\).*'ml.m5.large for transform job usage' is 2 Instances"):
        kit.transform({"a.csv": "1\n"}, TransformResources=resources)
    name = kit.transform({"a.csv": "1\n"}, TransformResources=resources | {"InstanceCount": 2})
    kit.completed(name)
    until(lambda: any(charge["name"] == name for charge in kit.world.cost.report()["charges"]), "the charge")
    (charge,) = [charge for charge in kit.world.cost.report()["charges"] if charge["name"] == name]
    assert (charge["kind"], charge["unit"], charge["unit_seconds"] % 2) == ("transform-job", "ml.m5.large", 0)
    assert kit.world.quotas.report()["ml.m5.large for transform job usage"]["used"] == 0


def test_jobs_are_listed_and_tagged(kit: TransformKit) -> None:
    """The newest first, by name and status, page by page; lists lag as ordered."""
    sagemaker, mark = kit.client("sagemaker"), kit.name("x")
    names = [
        kit.transform({"a.csv": "1\n"}, TransformJobName=f"{mark}-{number}", Tags=[{"Key": "n", "Value": str(number)}])
        for number in range(2)
    ]
    for name in names:
        kit.completed(name)
    first = sagemaker.list_transform_jobs(NameContains=mark, MaxResults=1)
    second = sagemaker.list_transform_jobs(NameContains=mark, MaxResults=1, NextToken=first["NextToken"])
    listed = first["TransformJobSummaries"] + second["TransformJobSummaries"]
    assert [each["TransformJobName"] for each in listed] == names[::-1]
    assert {each["TransformJobStatus"] for each in listed} == {"Completed"}
    assert sagemaker.list_transform_jobs(NameContains=mark, StatusEquals="Failed")["TransformJobSummaries"] == []
    assert sagemaker.list_tags(ResourceArn=listed[0]["TransformJobArn"])["Tags"] == [{"Key": "n", "Value": "1"}]
    kit.world.faults.list_lag = 600.0
    kit.transform({"a.csv": "1\n"}, TransformJobName=f"{mark}-2")
    assert sagemaker.list_transform_jobs(NameContains=f"{mark}-2")["TransformJobSummaries"] == []


def test_changes_are_told_as_events(kit: TransformKit) -> None:
    """InProgress twice (created, running), then the end, with Describe's members and the tags."""
    sqs, events, rule = kit.client("sqs"), kit.client("events"), kit.name("rule")
    queue = sqs.create_queue(QueueName=rule)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    pattern = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Transform Job State Change"]}
    events.put_rule(Name=rule, EventPattern=json.dumps(pattern))
    events.put_targets(Rule=rule, Targets=[{"Id": "1", "Arn": arn}])
    name = kit.transform({"a.csv": "1\n"}, Tags=[{"Key": "a", "Value": "b"}])
    kit.completed(name)
    found: list[dict[str, Any]] = []

    def ended() -> bool:
        for each in sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10).get("Messages", ()):
            found.append(json.loads(each["Body"]))
        return len(found) == 3

    until(ended, "three events")
    events.remove_targets(Rule=rule, Ids=["1"])
    details = sorted(
        (event["detail"] for event in found), key=lambda detail: ("TransformEndTime" in detail, "TransformStartTime" in detail)
    )
    assert [detail["TransformJobStatus"] for detail in details] == ["InProgress", "InProgress", "Completed"]
    assert {detail["TransformJobName"] for detail in details} == {name}
    assert details[-1]["Tags"] == {"a": "b"}


def test_a_scripted_failure_ends_the_job(kit: TransformKit) -> None:
    """Before it gets capacity."""
    kit.world.faults.fail_jobs(JobFailure(job="TransformJob", reason="CapacityError: no capacity"))
    described = kit.transformed(kit.transform({"a.csv": "1\n"}))
    assert (described["FailureReason"], "TransformStartTime" in described) == ("CapacityError: no capacity", False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"TransformInput": {"SplitType": "RecordIO"}}, "SplitType RecordIO is not supported in this local AWS: use Line or None"),
        ({"TransformInput": {"SplitType": "TFRecord"}}, "SplitType TFRecord is not supported"),
        ({"DataCaptureConfig": {"DestinationS3Uri": "s3://kit-bucket/c"}}, "DataCaptureConfig is not supported"),
        ({"TransformOutput": {"S3OutputPath": "https://host/x"}}, r"Invalid TransformOutput\.S3OutputPath"),
        ({"MaxPayloadInMB": 101}, "MaxPayloadInMB must not exceed 100, but is 101"),
        (
            {"MaxPayloadInMB": 51, "MaxConcurrentTransforms": 2},
            r"MaxConcurrentTransforms \* MaxPayloadInMB must not exceed 100 MB, but is 102",
        ),
        ({"DataProcessing": {"InputFilter": "$..x"}}, "Invalid DataProcessing: .* is not supported at"),
        ({"DataProcessing": {"JoinSource": "Input"}, "TransformInput": {"ContentType": "image/x"}}, "need a ContentType of text/csv"),
        ({"TransformInput": {"SplitType": "Words"}}, "Member must satisfy enum value set"),
    ],
)
def test_what_cannot_be_done_is_refused(kit: TransformKit, changes: dict[str, Any], message: str) -> None:
    """With a reason, and no job."""
    request = kit.transform_request({}, "no-such-model", **changes)
    with pytest.raises(ClientError, match=rf"\(ValidationException\).*{message}"):
        kit.client("sagemaker").create_transform_job(**request)
    with pytest.raises(ClientError, match="Could not find requested job"):
        kit.transform_job(request["TransformJobName"])


def test_a_container_that_dies_fails_the_job(kit: TransformKit) -> None:
    """As often as it may be asked; the job ends all the same."""
    script = COUNTS.replace("    print(", "    import os\n    os._exit(3)\n    print(")
    name = kit.transform({"a.csv": "1\n"}, kit.model(script=script), ModelClientConfig={"InvocationsMaxRetries": 1})
    assert kit.transformed(name)["FailureReason"] == "AlgorithmError: See job logs for more information"
    assert "a.csv: The container does not answer" in kit.log(LOG_GROUP, f"{name}/")
