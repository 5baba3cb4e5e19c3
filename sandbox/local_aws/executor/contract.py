"""The container contract of SageMaker: the folder `/opt/ml`, the command and the environment of a job's container.

Functions of the request (as sent to CreateTrainingJob or CreateProcessingJob) and of the job's folder, `root`, which the
container sees as `/opt/ml`. Sources: developer guide, "How Amazon SageMaker AI Provides Training Information" and "How
Amazon SageMaker Processing Configures Input and Output For Your Processing Container".
"""

from __future__ import annotations

import json
import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from local_aws.archive import UnsafeArchiveError, unpack
from local_aws.executor.toolkit import PROGRAM, SUBMIT_DIRECTORY, Toolkit, decoded

HOST = "algo-1"
OPT_ML = PurePosixPath("/opt/ml")
_PROCESSING = OPT_ML / "processing"
_GROUP = "homogeneousCluster"
_TRAINING_FOLDERS = (
    "input/config",
    "input/data",
    "model",
    "output/data",
    "output/intermediate",
    "checkpoints",
    "code",
)
_SAFE_PROGRAM = re.compile(r"(?![-/])[\w.+/-]+", re.ASCII)


class ContractError(ValueError):
    """The request can't be made into a container; the text is fit for a FailureReason after `ClientError: `."""


@dataclass(frozen=True, slots=True)
class Command:
    """What a container starts, and where. `user_script` says that the training toolkit starts a user's script."""

    argv: tuple[str, ...]
    cwd: PurePosixPath
    user_script: bool = False


def inside(root: Path, path: str) -> Path:
    """Where a container path below `/opt/ml` lies on this machine. ContractError for any other path."""
    parts = PurePosixPath(path)
    if not parts.is_relative_to(OPT_ML) or ".." in parts.parts:
        raise ContractError(f"LocalPath {path} is not below {OPT_ML}; use a path such as {_PROCESSING}/input")
    return root / parts.relative_to(OPT_ML)


def input_data_config(request: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """`inputdataconfig.json` of a training job: by channel, with the job's input mode where a channel has none."""
    job_mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    return {channel["ChannelName"]: _channel(channel, job_mode) for channel in request.get("InputDataConfig", ())}


def _channel(channel: Mapping[str, Any], job_mode: str) -> dict[str, str]:
    source = channel.get("DataSource", {}).get("S3DataSource", {})
    content_type = {"ContentType": channel["ContentType"]} if "ContentType" in channel else {}
    return content_type | {
        "TrainingInputMode": channel.get("InputMode", job_mode),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }


def resource_config(request: Mapping[str, Any]) -> dict[str, Any]:
    """`resourceconfig.json` of a training job; there is one host here, whatever InstanceCount says."""
    instance_type = request["ResourceConfig"].get("InstanceType", "local")
    group = {"instance_group_name": _GROUP, "instance_type": instance_type, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": _GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }


def write_training_folder(root: Path, request: Mapping[str, Any]) -> None:
    """Create the folders of a training container and the documents in `input/config`; channels are the caller's."""
    for name in _TRAINING_FOLDERS:
        (root / name).mkdir(parents=True, exist_ok=True)
    documents = {
        "hyperparameters": request.get("HyperParameters", {}),
        "inputdataconfig": input_data_config(request),
        "resourceconfig": resource_config(request),
    }
    for channel in documents["inputdataconfig"]:
        (root / "input/data" / channel).mkdir(exist_ok=True)
    for name, document in documents.items():
        (root / "input/config" / f"{name}.json").write_text(json.dumps(document))


def source_uri(request: Mapping[str, Any]) -> str | None:
    """The S3 URI of the user's source archive, None when the job is not in script mode."""
    hyperparameters = request.get("HyperParameters", {})
    if PROGRAM not in hyperparameters or "ContainerEntrypoint" in request["AlgorithmSpecification"]:
        return None
    if SUBMIT_DIRECTORY not in hyperparameters:
        raise ContractError(f"hyperparameter {PROGRAM} needs {SUBMIT_DIRECTORY}, the S3 URI of its sourcedir.tar.gz")
    return str(decoded(hyperparameters)[SUBMIT_DIRECTORY])


def unpack_source(root: Path, archive: Path) -> None:
    """Unpack a fetched sourcedir.tar.gz into `code`. ContractError when it is no such archive or leaves its folder."""
    try:
        unpack(archive, root / "code")
    except (tarfile.TarError, UnsafeArchiveError, OSError, EOFError) as error:
        raise ContractError(f"{SUBMIT_DIRECTORY}: {archive.name} can't be unpacked: {error}") from error


def training_toolkit(request: Mapping[str, Any], framework_module: str | None = None) -> Toolkit:
    """The training toolkit of a script-mode job."""
    return Toolkit(
        request["TrainingJobName"],
        request.get("HyperParameters", {}),
        input_data_config(request),
        resource_config(request),
        framework_module or None,
    )


def training_command(root: Path, request: Mapping[str, Any]) -> Command:
    """ContainerEntrypoint and ContainerArguments, or the user's script as the toolkit starts it.

    The source must have been unpacked. ContractError names what is missing: there is no image here whose own entrypoint
    could run.
    """
    algorithm = request["AlgorithmSpecification"]
    if "ContainerEntrypoint" in algorithm:
        argv = (*algorithm["ContainerEntrypoint"], *algorithm.get("ContainerArguments", ()))
        return Command(argv, OPT_ML)
    if PROGRAM not in request.get("HyperParameters", {}):
        raise ContractError(
            f"the image has no command of its own here: set AlgorithmSpecification.ContainerEntrypoint, or the "
            f"hyperparameters {PROGRAM} and {SUBMIT_DIRECTORY}"
        )
    toolkit = training_toolkit(request)
    return Command(_user_command(root / "code", toolkit), OPT_ML / "code", user_script=True)


def _user_command(code: Path, toolkit: Toolkit) -> tuple[str, ...]:
    """As the toolkit: `.sh` by the shell, a package (setup.py) by its module name, else the file itself."""
    program = toolkit.program
    if not _SAFE_PROGRAM.fullmatch(program) or {".", ".."} & set(program.split("/")):
        raise ContractError(f"{PROGRAM} is {program!r}; it must be a path inside the source, such as train.py")
    package = (code / "setup.py").exists() and not program.endswith(".sh")
    if not package and not (code / program).is_file():
        raise ContractError(f"{PROGRAM} {program!r} is not in the source archive; it holds {_listing(code)}")
    if package:
        return ("python", "-m", program.removesuffix(".py"), *toolkit.user_arguments)
    if program.endswith(".py"):
        return ("python", program, *toolkit.user_arguments)
    (code / program).chmod(0o777)
    return (f"./{program}", *toolkit.user_arguments)


def _listing(folder: Path) -> str:
    names = sorted(path.name for path in folder.iterdir())
    return ", ".join(names[:10]) + (" ..." if len(names) > 10 else "") or "nothing"


def training_environment(request: Mapping[str, Any], arn: str, region: str, framework_module: str | None = None) -> dict[str, str]:
    """The variables of a training container; the request's own Environment wins. Credentials are the caller's."""
    environment = {
        "TRAINING_JOB_NAME": request["TrainingJobName"],
        "TRAINING_JOB_ARN": arn,
        "AWS_REGION": region,
    }
    if source_uri(request) is not None:
        environment |= training_toolkit(request, framework_module).environment()
    return {**environment, **request.get("Environment", {})}


def write_processing_folder(root: Path, request: Mapping[str, Any], arn: str) -> None:
    """Create `config` and the folders of every input and output. ContractError for a LocalPath outside `/opt/ml`."""
    (root / "config").mkdir(parents=True, exist_ok=True)
    (root / "processing").mkdir(exist_ok=True)
    job = {name: value for name, value in request.items() if name != "Tags"}
    for name, document in {
        "processingjobconfig": {"ProcessingJobArn": arn, **job},
        "resourceconfig": {"current_host": HOST, "hosts": [HOST]},
    }.items():
        (root / "config" / f"{name}.json").write_text(json.dumps(document, default=str))
    for path in processing_paths(request):
        inside(root, path).mkdir(parents=True, exist_ok=True)


def processing_paths(request: Mapping[str, Any]) -> list[str]:
    """The LocalPath of every input and output of a processing job."""
    sources = [each.get("S3Input") or each.get("DatasetDefinition") or {} for each in request.get("ProcessingInputs", ())]
    outputs = request.get("ProcessingOutputConfig", {}).get("Outputs", ())
    targets = [each.get("S3Output") or {} for each in outputs]
    return [each["LocalPath"] for each in (*sources, *targets) if "LocalPath" in each]


def processing_command(request: Mapping[str, Any], own: Sequence[str] = ()) -> Command:
    """ContainerEntrypoint, or else the image's `own`, and ContainerArguments. ContractError without either."""
    application = request["AppSpecification"]
    entry = application.get("ContainerEntrypoint", own)
    if not entry:
        words = "the image has no command of its own here: set AppSpecification.ContainerEntrypoint, or command in the mapping of images"
        raise ContractError(words)
    argv = (*entry, *application.get("ContainerArguments", ()))
    return Command(argv, OPT_ML)
