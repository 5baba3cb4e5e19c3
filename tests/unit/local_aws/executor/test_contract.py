"""The folder, command and environment of a job's container."""

from __future__ import annotations

import copy
import io
import json
import os
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from local_aws.executor import contract
from local_aws.executor.contract import Command, ContractError
from local_aws.executor.toolkit import script_error

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:training-job/digits-1"
RECORDED = json.loads(Path(__file__).with_name("toolkit_environment.json").read_text())["environment"]
TRAINING: dict[str, Any] = {
    "TrainingJobName": "digits-1",
    "AlgorithmSpecification": {"TrainingImage": "x", "TrainingInputMode": "File"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
    "InputDataConfig": [
        {
            "ChannelName": "train",
            "ContentType": "text/csv",
            "DataSource": {"S3DataSource": {"S3Uri": "s3://b/train", "S3DataType": "S3Prefix"}},
        },
        {"ChannelName": "my-test", "DataSource": {"S3DataSource": {"S3Uri": "s3://b/t", "S3DataType": "S3Prefix"}}},
    ],
    "HyperParameters": {
        "sagemaker_program": '"train.py"',
        "sagemaker_submit_directory": '"s3://b/code/sourcedir.tar.gz"',
        "sagemaker_region": '"eu-central-1"',
        "sagemaker_container_log_level": "20",
        "sagemaker_job_name": '"digits-1"',
        "sagemaker_custom": "7",
        "_tuning_objective_metric": "acc",
        "batch-size": "32",
        "learning_rate": "0.1",
        "name": "plain text",
        "flag": "true",
        "layers": "[1,2]",
        "opts": '{"a": 1}',
        "C": '"1.0"',
        "nothing": "null",
    },
}


def training(**changes: Any) -> dict[str, Any]:
    request = copy.deepcopy(TRAINING)
    for name, value in changes.items():
        if isinstance(value, dict) and name in request:
            request[name] |= value
        else:
            request[name] = value
    return request


def archive(folder: Path, files: dict[str, str]) -> Path:
    path = folder / "sourcedir.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            tar.addfile(info, io.BytesIO(text.encode()))
    return path


def laid_out(root: Path, files: dict[str, str]) -> Path:
    contract.write_training_folder(root, TRAINING)
    contract.unpack_source(root, archive(root, files))
    return root


def test_environment_is_that_of_the_training_toolkit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every SM_* variable equals what sagemaker-training sets for the same job."""
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    toolkit = contract.training_toolkit(TRAINING, "sagemaker_sklearn_container.training:main")
    ours = toolkit.environment()
    assert json.loads(ours.pop("SM_TRAINING_ENV")) == json.loads(RECORDED["SM_TRAINING_ENV"])
    assert ours == {name: value for name, value in RECORDED.items() if name != "SM_TRAINING_ENV"}


def test_environment_names_the_job_and_the_request_wins() -> None:
    """TRAINING_JOB_NAME and TRAINING_JOB_ARN as documented; the request's Environment overrides."""
    request = training(Environment={"SM_NUM_CPUS": "64", "MODE": "fast"})
    environment = contract.training_environment(request, ARN, "eu-central-1")
    assert environment["TRAINING_JOB_NAME"] == "digits-1"
    assert environment["TRAINING_JOB_ARN"] == ARN
    assert environment["SM_NUM_CPUS"] == "64"
    assert environment["MODE"] == "fast"


def test_environment_without_script_mode_has_no_toolkit_variables() -> None:
    """A container that brings its entrypoint has no toolkit."""
    request = training(AlgorithmSpecification={"ContainerEntrypoint": ["/bin/true"]})
    environment = contract.training_environment(request, ARN, "eu-central-1")
    assert not [name for name in environment if name.startswith("SM_")]


def test_training_folder_holds_the_documents(tmp_path: Path) -> None:
    """Hyperparameters as sent (texts), channels with their modes, one host."""
    contract.write_training_folder(tmp_path, TRAINING)
    config = tmp_path / "input/config"
    assert json.loads((config / "hyperparameters.json").read_text()) == TRAINING["HyperParameters"]
    assert json.loads((config / "inputdataconfig.json").read_text())["train"] == {
        "ContentType": "text/csv",
        "TrainingInputMode": "File",
        "S3DistributionType": "FullyReplicated",
        "RecordWrapperType": "None",
    }
    assert json.loads((config / "resourceconfig.json").read_text())["current_host"] == "algo-1"


def test_training_folder_has_the_folders(tmp_path: Path) -> None:
    """What a script may write to exists before it starts."""
    contract.write_training_folder(tmp_path, TRAINING)
    names = ("model", "output/data", "checkpoints", "code", "input/data/train", "input/data/my-test")
    assert all((tmp_path / name).is_dir() for name in names)


def test_script_mode_command(tmp_path: Path) -> None:
    """The program in `code`, own hyperparameters sorted as `--name value`."""
    root = laid_out(tmp_path, {"train.py": "pass"})
    arguments = json.loads(RECORDED["SM_USER_ARGS"])
    expected = Command(("python", "train.py", *arguments), PurePosixPath("/opt/ml/code"), user_script=True)
    assert contract.training_command(root, TRAINING) == expected


def test_shell_program_is_executable(tmp_path: Path) -> None:
    """A `.sh` program is started by its path."""
    root = laid_out(tmp_path, {"bin/train.sh": "#!/bin/sh\n"})
    request = training(HyperParameters={"sagemaker_program": "bin/train.sh"})
    assert contract.training_command(root, request).argv[0] == "./bin/train.sh"
    assert os.access(root / "code/bin/train.sh", os.X_OK)


def test_package_is_started_by_name(tmp_path: Path) -> None:
    """A source with a setup.py runs as a module."""
    root = laid_out(tmp_path, {"setup.py": "", "train.py": ""})
    assert contract.training_command(root, TRAINING).argv[:3] == ("python", "-m", "train")


def test_entrypoint_comes_before_script_mode(tmp_path: Path) -> None:
    """ContainerEntrypoint and ContainerArguments are the command when given."""
    request = training(AlgorithmSpecification={"ContainerEntrypoint": ["/bin/bash"], "ContainerArguments": ["-c", "true"]})
    assert contract.training_command(tmp_path, request).argv == ("/bin/bash", "-c", "true")
    assert contract.source_uri(request) is None


def test_source_uri_is_decoded() -> None:
    """The SDK sends it as JSON."""
    assert contract.source_uri(TRAINING) == "s3://b/code/sourcedir.tar.gz"


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("other.py", "'other.py' is not in the source archive; it holds train.py"),
        ("../train.py", "must be a path inside the source"),
        ("-c", "must be a path inside the source"),
        ("/bin/sh", "must be a path inside the source"),
        ("", "must be a path inside the source"),
    ],
)
def test_program_outside_the_source_is_refused(tmp_path: Path, program: str, message: str) -> None:
    """The text names the hyperparameter and what would do."""
    root = laid_out(tmp_path, {"train.py": ""})
    with pytest.raises(ContractError, match="sagemaker_program") as caught:
        contract.training_command(root, training(HyperParameters={"sagemaker_program": program}))
    assert message in str(caught.value)


def test_job_without_any_command_is_refused(tmp_path: Path) -> None:
    """No image's own entrypoint can run here; the text says what to set."""
    with pytest.raises(ContractError, match="ContainerEntrypoint"):
        contract.training_command(tmp_path, {**TRAINING, "HyperParameters": {}})


def test_program_without_source_is_refused() -> None:
    """Script mode needs both hyperparameters."""
    with pytest.raises(ContractError, match="sagemaker_submit_directory"):
        contract.source_uri({**TRAINING, "HyperParameters": {"sagemaker_program": "train.py"}})


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b broken"])
def test_broken_source_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    """The text names the hyperparameter."""
    path = tmp_path / "sourcedir.tar.gz"
    path.write_bytes(content)
    with pytest.raises(ContractError, match="sagemaker_submit_directory"):
        contract.unpack_source(tmp_path, path)


def test_source_archive_cannot_leave_its_folder(tmp_path: Path) -> None:
    """A member that points outside is refused."""
    with pytest.raises(ContractError, match="can't be unpacked"):
        contract.unpack_source(tmp_path / "root", archive(tmp_path, {"../evil.py": ""}))
    assert not (tmp_path / "evil.py").exists()


PROCESSING: dict[str, Any] = {
    "ProcessingJobName": "evaluate-1",
    "AppSpecification": {
        "ImageUri": "x",
        "ContainerEntrypoint": ["python3", "/opt/ml/processing/input/code/evaluate.py"],
        "ContainerArguments": ["--threshold", "0.9"],
    },
    "ProcessingInputs": [{"InputName": "model", "S3Input": {"LocalPath": "/opt/ml/processing/model"}}],
    "ProcessingOutputConfig": {"Outputs": [{"OutputName": "e", "S3Output": {"LocalPath": "/opt/ml/processing/out"}}]},
    "Tags": [{"Key": "a", "Value": "b"}],
}


def test_processing_folder(tmp_path: Path) -> None:
    """The request is in `config`, the folders of inputs and outputs exist."""
    contract.write_processing_folder(tmp_path, PROCESSING, ARN)
    job = json.loads((tmp_path / "config/processingjobconfig.json").read_text())
    assert job["ProcessingJobArn"] == ARN
    assert job["ProcessingInputs"] == PROCESSING["ProcessingInputs"]
    resource = json.loads((tmp_path / "config/resourceconfig.json").read_text())
    assert resource == {"current_host": "algo-1", "hosts": ["algo-1"]}
    assert (tmp_path / "processing/model").is_dir()
    assert (tmp_path / "processing/out").is_dir()


def test_processing_command() -> None:
    """Entrypoint, then arguments."""
    argv = ("python3", "/opt/ml/processing/input/code/evaluate.py", "--threshold", "0.9")
    assert contract.processing_command(PROCESSING, ("sh",)).argv == argv
    own = {**PROCESSING, "AppSpecification": {"ImageUri": "x", "ContainerArguments": ["--fast"]}}
    assert contract.processing_command(own, ("python3", "/explain.py")).argv == ("python3", "/explain.py", "--fast")


def test_processing_without_entrypoint_is_refused() -> None:
    """The text names the member."""
    with pytest.raises(ContractError, match=r"AppSpecification\.ContainerEntrypoint"):
        contract.processing_command({**PROCESSING, "AppSpecification": {"ImageUri": "x"}})


@pytest.mark.parametrize("path", ["/tmp/x", "/opt/ml/../x", "/opt/mlx"])
def test_local_path_outside_opt_ml_is_refused(tmp_path: Path, path: str) -> None:
    """A container path that would leave the job's folder is an error."""
    with pytest.raises(ContractError, match="LocalPath"):
        contract.inside(tmp_path, path)


def test_script_error_is_in_the_words_of_the_toolkit() -> None:
    """Exit code, the script's output, the command; a kill says what it may have been."""
    assert script_error(1, "ValueError: x", "python train.py") == (
        'ExecuteUserScriptError:\nExitCode 1\nErrorMessage "ValueError: x"\nCommand "python train.py"'
    )
    assert "OutOfMemory" in script_error(137, "", "python train.py")
