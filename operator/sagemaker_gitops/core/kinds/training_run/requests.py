"""The exact AWS requests of a run's steps. `render`, `plan` and the operator all get them from here.

Member names and limits: Amazon SageMaker API Reference (CreateTrainingJob, CreateProcessingJob), AWS Glue API (CreateJob, StartJobRun).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, assert_never

from sagemaker_gitops.api.fields import aws_string
from sagemaker_gitops.api.steps import DEFAULT_GLUE_TYPE, DEFAULT_GLUE_VERSION, DEFAULT_INSTANCE_COUNT
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action, AwsRequest, UploadSource
from sagemaker_gitops.core.kinds.training_run.facts import Active, JobType, Leftover
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE, EVALUATIONS, TRAIN, Attempt, Names, Progress, Run, attempt_of
from sagemaker_gitops.core.merge import deep_merge

CODE_FOLDER = "/opt/ml/processing/input/code"
INPUT_FOLDER = "/opt/ml/processing/input"
OUTPUT_FOLDER = "/opt/ml/processing/output"
EVALUATION_OUTPUT = "evaluation"
FULLY_REPLICATED = "FullyReplicated"
RUN_TOKEN_ARGUMENT = "--sagemaker-gitops-run-token"


class Secured(Protocol):
    """What every job's network and encryption are made from."""

    @property
    def kms_key_arn(self) -> str | None: ...
    @property
    def subnet_ids(self) -> tuple[str, ...]: ...
    @property
    def security_group_ids(self) -> tuple[str, ...]: ...
    @property
    def network_isolation(self) -> bool: ...
    @property
    def encrypt_inter_container_traffic(self) -> bool: ...


def creating_actions(run: Run, progress: Progress, attempt: Attempt) -> tuple[Action, ...]:
    """What has to be called, in order, for `attempt` to exist and run at AWS."""
    match attempt.step.type:
        case JobType.GLUE_JOB:
            return (_upload_folder(run, attempt), create_glue_job(run, attempt), start_glue_job_run(run, attempt))
        case JobType.TRAINING_JOB:
            upload = (_upload_archive(run, attempt),) if _is_script(attempt) else ()
            return (*upload, create_training_job(run, progress, attempt))
        case JobType.PROCESSING_JOB:
            upload = (_upload_folder(run, attempt),) if _is_script(attempt) else ()
            return (*upload, create_processing_job(run, progress, attempt))
        case JobType.TRANSFORM_JOB:
            raise AssertionError("no step of a TrainingRun is a transform job")
        case _:
            assert_never(attempt.step.type)


def stop_action(type_: JobType, aws_name: str, run_id: str) -> AwsRequest:
    """The call that stops a running job of ours."""
    match type_:
        case JobType.GLUE_JOB:
            return AwsRequest("glue", "BatchStopJobRun", aws_name, {"JobName": aws_name, "JobRunIds": [run_id]})
        case JobType.TRAINING_JOB:
            return AwsRequest("sagemaker", "StopTrainingJob", aws_name, {"TrainingJobName": aws_name})
        case JobType.PROCESSING_JOB:
            return AwsRequest("sagemaker", "StopProcessingJob", aws_name, {"ProcessingJobName": aws_name})
        case JobType.TRANSFORM_JOB:
            return AwsRequest("sagemaker", "StopTransformJob", aws_name, {"TransformJobName": aws_name})
        case _:
            assert_never(type_)


def stop_actions(active: Mapping[str, Leftover]) -> tuple[AwsRequest, ...]:
    """Stops for everything that runs and is not stopping yet; a Glue job without a known run has nothing to stop."""
    return tuple(
        stop_action(left.type, name, left.fact.run_id)
        for name, left in sorted(active.items())
        if isinstance(left.fact, Active) and not left.fact.stopping and (left.fact.run_id or left.type is not JobType.GLUE_JOB)
    )


def create_glue_job(run: Run, attempt: Attempt) -> AwsRequest:
    """One Glue job per key with MaxConcurrentRuns=1: StartJobRun has no idempotency token of its own."""
    part, names, effective = attempt.step.content["spec"], _names(run, attempt), run.effective
    type_ = part.get("type", DEFAULT_GLUE_TYPE)
    arguments = {f"--{name}": run.inputs[name].uri for name in attempt.step.consumes}
    arguments |= {f"--output-{name}": names.output(name) for name in part.get("outputs", ())}
    arguments |= {key: str(value) for key, value in (part.get("arguments") or {}).items()}
    parameters: dict[str, Any] = {
        "Name": attempt.aws_name,
        "Role": effective.role_arn,
        "Command": {
            "Name": type_,
            "ScriptLocation": f"{names.source}/{part['script']}",
            "PythonVersion": "3.9" if type_ == "pythonshell" else "3",
        },
        "DefaultArguments": arguments,
        "ExecutionProperty": {"MaxConcurrentRuns": 1},
        "MaxRetries": 0,
        "Timeout": _minutes(part.get("timeout", effective.glue_timeout)),
        "Tags": _tags(run, attempt),
    }
    if type_ == "pythonshell":
        parameters["MaxCapacity"] = 0.0625
    else:
        parameters |= {
            "GlueVersion": part.get("version", DEFAULT_GLUE_VERSION),
            "WorkerType": part["workerType"],
            "NumberOfWorkers": part["workers"],
        }
    extra = [f"{names.source}/{name}" for name in sorted(attempt.step.files) if name.endswith(".py") and name != part["script"]]
    if extra:
        arguments["--extra-py-files"] = ",".join(extra)
    return _request("glue", "CreateJob", attempt, parameters, "glueCreateJob")


def start_glue_job_run(run: Run, attempt: Attempt) -> AwsRequest:
    """The run token in the arguments is how a scan of GetJobRuns tells our run from any other."""
    parameters = {"JobName": attempt.aws_name, "Arguments": {RUN_TOKEN_ARGUMENT: attempt.key}}
    return _request("glue", "StartJobRun", attempt, parameters, "glueStartJobRun")


def create_training_job(run: Run, progress: Progress, attempt: Attempt) -> AwsRequest:
    """Script mode without any SDK: the toolkit in AWS's framework images reads two hyperparameters."""
    part, effective, names = attempt.step.content["spec"], run.effective, _names(run, attempt)
    resources = part.get("resources") or {}
    spot = resources.get("spot")
    parameters: dict[str, Any] = {
        "TrainingJobName": attempt.aws_name,
        "RoleArn": effective.role_arn,
        "AlgorithmSpecification": {"TrainingImage": effective.training_image, "TrainingInputMode": "File"},
        "HyperParameters": _hyperparameters(run, attempt, names),
        "OutputDataConfig": {"S3OutputPath": names.training_output} | kms(effective),
        "ResourceConfig": {
            "InstanceType": effective.training_instance_type,
            "InstanceCount": resources.get("instanceCount", DEFAULT_INSTANCE_COUNT),
            "VolumeSizeInGB": resources.get("volumeSizeInGB", effective.volume_size_in_gb),
        }
        | volume_kms(effective),
        "StoppingCondition": {"MaxRuntimeInSeconds": effective.max_runtime},
        "Tags": _tag_list(run, attempt),
    }
    if attempt.step.consumes:
        parameters["InputDataConfig"] = [_channel(run, progress, name) for name in attempt.step.consumes]
    if part.get("metrics"):
        parameters["AlgorithmSpecification"]["MetricDefinitions"] = [{"Name": m["name"], "Regex": m["regex"]} for m in part["metrics"]]
    if part.get("environment"):
        parameters["Environment"] = dict(part["environment"])
    if spot:
        parameters["EnableManagedSpotTraining"] = True
        parameters["StoppingCondition"]["MaxWaitTimeInSeconds"] = spot["maxWait"]
        if spot.get("checkpoints"):
            parameters["CheckpointConfig"] = {"S3Uri": _checkpoints(run, progress, attempt)}
    parameters |= network_config(effective)
    return _request("sagemaker", "CreateTrainingJob", attempt, parameters, "createTrainingJob")


def create_processing_job(run: Run, progress: Progress, attempt: Attempt) -> AwsRequest:
    """Channels under /opt/ml/processing/input/<name>, outputs under /opt/ml/processing/output/<name>, code beside them."""
    part, effective, names = attempt.step.content["spec"], run.effective, _names(run, attempt)
    resources = part.get("resources") or {}
    evaluates = attempt.step.name in EVALUATIONS
    locations = dict(progress.outputs) | {name: version.uri for name, version in run.inputs.items()}
    inputs = [processing_input(name, locations[name], _distribution(run, name)) for name in attempt.step.consumes]
    if evaluates:
        inputs.append(processing_input("model", attempt.step.content.get("model") or locations["model"]))
    entry = part.get("entryPoint")
    image = effective.processing_images[EVALUATE if evaluates else attempt.step.name]
    application: dict[str, Any] = {"ImageUri": image}
    if entry:
        inputs.append(processing_input("code", f"{names.source}/"))
        application["ContainerEntrypoint"] = ["python3", f"{CODE_FOLDER}/{entry}"]
    if part.get("arguments"):
        application["ContainerArguments"] = list(part["arguments"])
    outputs = [EVALUATION_OUTPUT] if evaluates else list(part.get("outputs", ()))
    parameters: dict[str, Any] = {
        "ProcessingJobName": attempt.aws_name,
        "RoleArn": effective.role_arn,
        "AppSpecification": application,
        "ProcessingInputs": inputs,
        "ProcessingOutputConfig": {"Outputs": [_processing_output(name, names.output(name)) for name in outputs]} | kms(effective),
        "ProcessingResources": {
            "ClusterConfig": {
                "InstanceCount": resources.get("instanceCount", DEFAULT_INSTANCE_COUNT),
                "InstanceType": resources.get("instanceType", effective.processing_instance_type),
                "VolumeSizeInGB": resources.get("volumeSizeInGB", effective.volume_size_in_gb),
            }
            | volume_kms(effective)
        },
        "StoppingCondition": {"MaxRuntimeInSeconds": part.get("maxRuntime", effective.processing_max_runtime)},
        "Tags": _tag_list(run, attempt),
    }
    if part.get("environment"):
        parameters["Environment"] = dict(part["environment"])
    network = network_config(effective)
    if network:
        parameters["NetworkConfig"] = network
    return _request("sagemaker", "CreateProcessingJob", attempt, parameters, "createProcessingJob")


def job_outputs(run: Run, attempt: Attempt) -> dict[str, str]:
    """Output name -> S3 URI for a step that succeeded, as its request asked for them."""
    names, part = _names(run, attempt), attempt.step.content["spec"]
    if attempt.step.name == TRAIN:
        return {"model": f"{names.training_output}/{attempt.aws_name}/output/model.tar.gz"}
    wanted = [EVALUATION_OUTPUT] if attempt.step.name in EVALUATIONS else part.get("outputs", ())
    return {name: names.output(name) for name in wanted}


def _request(service: str, operation: str, attempt: Attempt, parameters: Mapping[str, Any], override: str) -> AwsRequest:
    merged = deep_merge(parameters, attempt.step.content["overrides"].get(override, {}))
    return AwsRequest(service, operation, attempt.aws_name, merged)


def _names(run: Run, attempt: Attempt) -> Names:
    return Names(run.effective.artifact_prefix, run.owner, attempt)


def _checkpoints(run: Run, progress: Progress, attempt: Attempt) -> str:
    """Shared by all attempts: the one after an interruption goes on where it was."""
    first = attempt_of(run, attempt.step, [done for done, _ in progress.done], 1)
    return _names(run, first).output("checkpoints")


def _is_script(attempt: Attempt) -> bool:
    return bool(attempt.step.content["spec"].get("entryPoint"))


def _upload_archive(run: Run, attempt: Attempt) -> UploadSource:
    return UploadSource(f"{_names(run, attempt).source}.tar.gz", attempt.step.files, run.effective.kms_key_arn)


def _upload_folder(run: Run, attempt: Attempt) -> UploadSource:
    return UploadSource(f"{_names(run, attempt).source}/", attempt.step.files, run.effective.kms_key_arn)


def _hyperparameters(run: Run, attempt: Attempt, names: Names) -> dict[str, str]:
    part = attempt.step.content["spec"]
    values = {key: aws_string(value) for key, value in (part.get("hyperparameters") or {}).items()}
    if not _is_script(attempt):
        return values
    return values | {
        "sagemaker_program": part["entryPoint"],
        "sagemaker_submit_directory": f"{names.source}.tar.gz",
        "sagemaker_region": run.tenant.spec.region,
        "sagemaker_container_log_level": "20",
    }


def _channel(run: Run, progress: Progress, name: str) -> dict[str, Any]:
    uri = run.inputs[name].uri if name in run.inputs else progress.outputs[name]
    declared = next((item for item in run.spec.inputs if item.name == name), None)
    source = {"S3DataType": "S3Prefix", "S3Uri": uri, "S3DataDistributionType": _distribution(run, name)}
    channel: dict[str, Any] = {"ChannelName": name, "DataSource": {"S3DataSource": source}}
    if declared is not None:
        given = {"ContentType": declared.content_type, "CompressionType": declared.compression, "InputMode": declared.input_mode}
        channel |= {member: value for member, value in given.items() if value}
    return channel


def _distribution(run: Run, name: str) -> str:
    declared = next((item.distribution for item in run.spec.inputs if item.name == name), None)
    return declared or FULLY_REPLICATED


def processing_input(name: str, uri: str, distribution: str = FULLY_REPLICATED) -> dict[str, Any]:
    source = {"S3Uri": uri, "LocalPath": f"{INPUT_FOLDER}/{name}", "S3DataType": "S3Prefix", "S3InputMode": "File"}
    return {"InputName": name, "S3Input": source | {"S3DataDistributionType": distribution}}


def _processing_output(name: str, uri: str) -> dict[str, Any]:
    return {"OutputName": name, "S3Output": {"S3Uri": uri, "LocalPath": f"{OUTPUT_FOLDER}/{name}", "S3UploadMode": "EndOfJob"}}


def network_config(effective: Secured) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if effective.subnet_ids:
        config["VpcConfig"] = {"Subnets": list(effective.subnet_ids), "SecurityGroupIds": list(effective.security_group_ids)}
    if effective.network_isolation:
        config["EnableNetworkIsolation"] = True
    if effective.encrypt_inter_container_traffic:
        config["EnableInterContainerTrafficEncryption"] = True
    return config


def kms(effective: Secured) -> dict[str, str]:
    return {"KmsKeyId": effective.kms_key_arn} if effective.kms_key_arn else {}


def volume_kms(effective: Secured) -> dict[str, str]:
    return {"VolumeKmsKeyId": effective.kms_key_arn} if effective.kms_key_arn else {}


def _tags(run: Run, attempt: Attempt) -> dict[str, str]:
    own = naming.owner_tags(
        run.install, run.owner, step=attempt.step.name, key=attempt.key, attempt=attempt.number, revision=run.source.revision
    )
    asked = run.retrain.tags if run.retrain is not None and attempt.step.name == TRAIN else {}
    return dict(run.effective.tags) | own | asked


def _tag_list(run: Run, attempt: Attempt) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in sorted(_tags(run, attempt).items())]


def _minutes(seconds: int) -> int:
    """Glue's Timeout is in whole minutes, at least one."""
    return max(1, -(-seconds // 60))
