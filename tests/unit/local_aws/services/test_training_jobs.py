"""Training jobs run for real and are described as AWS describes them."""

from __future__ import annotations

import json

import pytest
from botocore.exceptions import ClientError
from service_kit import BUCKET, REGION, ROLE, Kit, channel, until

SAVE = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text('weights')\n"
ENDLESS = "import time\nprint('ready', flush=True)\nwhile True: time.sleep(0.05)\n"
SAVES_ON_TERM = (
    "import os, pathlib, signal, sys, time\n"
    "def save(*_):\n"
    "    pathlib.Path(os.environ['SM_MODEL_DIR'], 'partial.txt').write_text('saved')\n"
    "    sys.exit(0)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "print('ready', flush=True)\n"
    "while True: time.sleep(0.05)\n"
)


def test_a_completed_job_went_through_the_states_of_aws(kit: Kit) -> None:
    """The secondary status goes through every phase of AWS, each with its times."""
    job = kit.trained(kit.train(SAVE))
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Completed", "Completed"), job.get("FailureReason")
    statuses = [entry["Status"] for entry in job["SecondaryStatusTransitions"]]
    assert statuses == ["Starting", "Downloading", "Training", "Uploading", "Completed"]
    ends = [entry["EndTime"] for entry in job["SecondaryStatusTransitions"][:-1]]
    starts = [entry["StartTime"] for entry in job["SecondaryStatusTransitions"][1:]]
    assert ends == starts
    assert job["CreationTime"] <= job["TrainingStartTime"] <= job["TrainingEndTime"] == job["LastModifiedTime"]


def test_the_model_is_uploaded_as_an_archive(kit: Kit) -> None:
    """What the script left in SM_MODEL_DIR is S3OutputPath/<job>/output/model.tar.gz."""
    name = kit.train(SAVE)
    artifacts = kit.trained(name)["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts == f"s3://{BUCKET}/models/{name}/output/model.tar.gz"
    assert kit.members(artifacts) == {"model.txt": "weights"}


def test_an_uncompressed_model_is_uploaded_file_by_file(kit: Kit) -> None:
    """CompressionType NONE makes a prefix of files instead of an archive."""
    output = {"S3OutputPath": f"s3://{BUCKET}/models/", "CompressionType": "NONE"}
    job = kit.trained(kit.train(SAVE, OutputDataConfig=output))
    artifacts = job["ModelArtifacts"]["S3ModelArtifacts"]
    assert artifacts.endswith("/output/model/")
    assert kit.read(artifacts + "model.txt") == b"weights"


def test_output_data_is_uploaded_beside_the_model(kit: Kit) -> None:
    """Files in /opt/ml/output/data become output.tar.gz."""
    name = kit.train("open('/opt/ml/output/data/report.json', 'w').write('{}')\n")
    kit.trained(name)
    assert kit.members(f"s3://{BUCKET}/models/{name}/output/output.tar.gz") == {"report.json": "{}"}


def test_channels_arguments_and_hyperparameters_reach_the_script(kit: Kit) -> None:
    """The script sees its channel's files, `--name value` arguments and decoded SM_HPS."""
    prefix = kit.name("data")
    kit.put(f"{prefix}/train/a.csv", "1,2")
    kit.put(f"{prefix}/train/deep/b.csv", "3,4")
    script = (
        "import json, os, pathlib, sys\n"
        "root = pathlib.Path(os.environ['SM_CHANNEL_TRAIN'])\n"
        "files = sorted(str(p.relative_to(root)) for p in root.rglob('*.csv'))\n"
        "seen = {'files': files, 'args': sys.argv[1:], 'hps': json.loads(os.environ['SM_HPS'])}\n"
        "json.dump(seen, open(os.environ['SM_MODEL_DIR'] + '/seen.json', 'w'))\n"
    )
    name = kit.train(
        script,
        HyperParameters={"trees": "20", "flag": '"text"'},
        InputDataConfig=[channel("train", f"s3://{BUCKET}/{prefix}/train")],
    )
    job = kit.trained(name)
    seen = json.loads(kit.members(job["ModelArtifacts"]["S3ModelArtifacts"])["seen.json"])
    assert seen == {
        "files": ["a.csv", "deep/b.csv"],
        "args": ["--flag", "text", "--trees", "20"],
        "hps": {"trees": 20, "flag": "text"},
    }


def test_the_container_contract_is_laid_out(kit: Kit) -> None:
    """The files of /opt/ml/input/config are there for any command."""
    prefix = kit.name("data")
    kit.put(f"{prefix}/x.csv", "1")
    command = ["/bin/bash", "-c", "cp /opt/ml/input/config/*.json /opt/ml/model/"]
    name = kit.train(
        AlgorithmSpecification={"ContainerEntrypoint": command},
        HyperParameters={"depth": "3"},
        InputDataConfig=[channel("test", f"s3://{BUCKET}/{prefix}/")],
    )
    found = kit.members(kit.trained(name)["ModelArtifacts"]["S3ModelArtifacts"])
    assert json.loads(found["hyperparameters.json"]) == {"depth": "3"}
    assert json.loads(found["inputdataconfig.json"])["test"]["TrainingInputMode"] == "File"
    assert json.loads(found["resourceconfig.json"])["hosts"] == ["algo-1"]


def test_a_manifest_file_names_the_objects(kit: Kit) -> None:
    """ManifestFile downloads exactly the listed keys, below the manifest's prefix."""
    prefix = kit.name("data")
    for key in ("a.csv", "b.csv", "c.csv"):
        kit.put(f"{prefix}/{key}", key)
    manifest = json.dumps([{"prefix": f"s3://{BUCKET}/{prefix}/"}, "a.csv", "c.csv"])
    uri = kit.put(f"{prefix}/manifest", manifest)
    script = "import os\nprint('found', sorted(os.listdir('/opt/ml/input/data/train')))\n"
    name = kit.train(script, InputDataConfig=[channel("train", uri, "ManifestFile")])
    assert kit.trained(name)["TrainingJobStatus"] == "Completed"
    assert "found ['a.csv', 'c.csv']" in kit.log("/aws/sagemaker/TrainingJobs", name)


def test_describe_returns_the_members_that_clients_late_initialise(kit: Kit) -> None:
    """Members that the request left out come back with AWS's defaults, KmsKeyId as an empty string."""
    job = kit.training(kit.train(SAVE))
    assert job["OutputDataConfig"]["KmsKeyId"] == ""
    assert job["OutputDataConfig"]["CompressionType"] == "GZIP"
    assert job["AlgorithmSpecification"]["EnableSageMakerMetricsTimeSeries"] is False
    assert job["EnableManagedSpotTraining"] is False
    assert job["EnableNetworkIsolation"] is False
    assert job["EnableInterContainerTrafficEncryption"] is False
    assert job["ProfilerConfig"] == {"DisableProfiler": True}


@pytest.mark.capability("C7")
def test_metrics_are_read_from_the_log(kit: Kit) -> None:
    """FinalMetricDataList holds the last value of each metric; CloudWatch knows the metric too."""
    definitions = [{"Name": "acc", "Regex": "acc=([0-9.]+)"}, {"Name": "none", "Regex": "never=([0-9.]+)"}]
    script = "print('acc=0.5')\nprint('acc=nan acc=0.75')\n"
    name = kit.train(script, AlgorithmSpecification={"MetricDefinitions": definitions})
    job = kit.trained(name)
    assert [(m["MetricName"], m["Value"]) for m in job["FinalMetricDataList"]] == [("acc", 0.75)]
    found = kit.client("cloudwatch").list_metrics(
        Namespace="/aws/sagemaker/TrainingJobs", Dimensions=[{"Name": "TrainingJobName", "Value": name}]
    )
    assert {metric["MetricName"] for metric in found["Metrics"]} == {"acc"}


def test_log_lines_are_in_cloudwatch_when_the_job_has_ended(kit: Kit) -> None:
    """The stream is <job>/algo-1-<epoch>; a last line without a newline is there too."""
    name = kit.train("print('first')\nprint('last', end='')\n")
    kit.trained(name)
    assert kit.log("/aws/sagemaker/TrainingJobs", f"{name}/algo-1-") == "first\nlast"


def test_an_exception_in_the_script_is_the_failure_reason(kit: Kit) -> None:
    """FailureReason has AWS's form, the exception's text and the exit code."""
    name = kit.train("print('before')\nraise ValueError('the data is empty')\n", HyperParameters={"trees": "3"})
    job = kit.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Failed", "Failed")
    reason = job["FailureReason"]
    assert reason.startswith("AlgorithmError: ExecuteUserScriptError:\nExitCode 1\nErrorMessage ")
    assert "ValueError: the data is empty" in reason
    assert 'Command "python train.py --trees 3"' in reason
    assert reason.endswith(", exit code: 1")


def test_the_failure_file_wins_over_the_log(kit: Kit) -> None:
    """What the container wrote to /opt/ml/output/failure is the reason, cut to 1,024 characters."""
    script = "import sys\nopen('/opt/ml/output/failure', 'w').write('wrong target' + 'x' * 2000)\nsys.exit(7)\n"
    reason = kit.trained(kit.train(script))["FailureReason"]
    assert len(reason) <= 1024
    assert reason.endswith("xxx, exit code: 7")


def test_a_killed_process_has_the_exit_code_of_its_signal(kit: Kit) -> None:
    """SIGKILL from outside is 137, as a container runtime reports it."""
    script = "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n"
    assert kit.trained(kit.train(script))["FailureReason"].endswith(", exit code: 137")


@pytest.mark.parametrize("uri", [f"s3://{BUCKET}/nothing/here/", "s3://no-such-bucket-of-ours/data/"])
def test_a_channel_without_objects_fails_the_job(kit: Kit, uri: str) -> None:
    """An empty prefix and a missing bucket are both AWS's "No S3 objects found"."""
    job = kit.trained(kit.train(SAVE, InputDataConfig=[channel("train", uri)]))
    expected = f'ClientError: Data download failed:No S3 objects found under S3 URL "{uri}"'
    assert job["FailureReason"].startswith(expected)
    assert ROLE in job["FailureReason"]


def test_an_unknown_image_fails_the_job(kit: Kit) -> None:
    """An image without a local stand-in is a failed pull."""
    image = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/nobody-knows:1"
    job = kit.trained(kit.train(SAVE, AlgorithmSpecification={"TrainingImage": image}))
    assert job["FailureReason"].startswith("ClientError: Cannot pull")


def test_a_missing_output_bucket_fails_the_job_at_the_upload(kit: Kit) -> None:
    """The training itself ran; the reason names the upload."""
    job = kit.trained(kit.train(SAVE, OutputDataConfig={"S3OutputPath": "s3://no-such-bucket-of-ours/out"}))
    assert job["FailureReason"].startswith("ClientError: Artifact upload failed:NoSuchBucket")


def test_stop_lets_the_script_save_and_uploads_it(kit: Kit) -> None:
    """SIGTERM first: what the handler saves is in the artifact of the Stopped job."""
    name = kit.train(SAVES_ON_TERM)
    kit.in_training(name)
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = kit.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "Stopped")
    assert "Stopping" in [entry["Status"] for entry in job["SecondaryStatusTransitions"]]
    assert kit.members(job["ModelArtifacts"]["S3ModelArtifacts"]) == {"partial.txt": "saved"}


def test_a_script_that_ignores_sigterm_is_killed_after_the_grace(kit: Kit) -> None:
    """120 seconds of AWS time after SIGTERM comes SIGKILL."""
    kit.world.clock.speed = 1000.0
    name = kit.train("import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + ENDLESS)
    kit.in_training(name)
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)
    assert kit.trained(name)["TrainingJobStatus"] == "Stopped"


def test_a_job_stopped_before_it_starts_never_runs(kit: Kit) -> None:
    """Stop during provisioning ends the job without a process, times or artifacts."""
    kit.world.settings["training.startingSeconds"] = 3600
    name = kit.train(SAVE)
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)
    job = kit.trained(name)
    assert job["TrainingJobStatus"] == "Stopped"
    assert {"ModelArtifacts", "TrainingStartTime", "BillableTimeInSeconds"}.isdisjoint(job)


def test_max_runtime_stops_the_job(kit: Kit) -> None:
    """When MaxRuntimeInSeconds of AWS time have passed, the job is Stopped with MaxRuntimeExceeded."""
    name = kit.train(SAVES_ON_TERM, StoppingCondition={"MaxRuntimeInSeconds": 3600})
    kit.in_training(name)
    kit.world.clock.advance(3601)
    job = kit.trained(name)
    assert (job["TrainingJobStatus"], job["SecondaryStatus"]) == ("Stopped", "MaxRuntimeExceeded")
    assert job["TrainingTimeInSeconds"] >= 3600


def test_the_process_acts_as_its_execution_role(kit: Kit) -> None:
    """boto3 in the job signs with the execution role, and that session ends with the job."""
    script = (
        "import boto3, os\nprint(boto3.client('sts').get_caller_identity()['Arn'])\n"
        "print('key', os.environ['AWS_ACCESS_KEY_ID'])\n"
        "open('/opt/ml/model/token', 'w').write(os.environ['AWS_SESSION_TOKEN'])\n"
    )
    name = kit.train(script)
    job = kit.trained(name)
    log = kit.log("/aws/sagemaker/TrainingJobs", name)
    assert "assumed-role/jobs/SageMaker" in log
    key = log.rpartition("key ")[2].strip()
    token = kit.members(job["ModelArtifacts"]["S3ModelArtifacts"])["token"]
    with pytest.raises(ClientError, match="InvalidClientTokenId"):
        kit.client_as("sts", key, token).get_caller_identity()


def test_a_quota_is_refused_in_awss_words_and_freed_at_the_end(kit: Kit) -> None:
    """ResourceLimitExceeded has limit, utilization and delta; the end of a job gives its instances back."""
    kit.world.quotas.configure({"ml.c5.xlarge for training job usage": 1})
    resource = {"InstanceType": "ml.c5.xlarge", "InstanceCount": 1, "VolumeSizeInGB": 1}
    name = kit.train(SAVES_ON_TERM, ResourceConfig=resource)
    with pytest.raises(ClientError, match=r"is 1 Instances, with current utilization of 1 Instances and a request"):
        kit.train(SAVE, ResourceConfig=resource)
    kit.in_training(name)
    kit.client("sagemaker").stop_training_job(TrainingJobName=name)
    kit.trained(name)
    assert kit.trained(kit.train(SAVE, ResourceConfig=resource))["TrainingJobStatus"] == "Completed"


def test_billable_seconds_feed_the_cost_meter(kit: Kit) -> None:
    """A charge appears with instance-seconds and a price."""
    resource = {"InstanceType": "ml.m5.xlarge", "InstanceCount": 2, "VolumeSizeInGB": 1}
    name = kit.train(SAVE, ResourceConfig=resource)
    job = kit.trained(name)
    until(lambda: any(c["name"] == name for c in kit.world.cost.report()["charges"]), "the charge")
    charge = next(c for c in kit.world.cost.report()["charges"] if c["name"] == name)
    assert charge["unit_seconds"] == 2 * job["BillableTimeInSeconds"]
    assert charge["usd"] == pytest.approx(charge["unit_seconds"] / 3600 * 0.23)
