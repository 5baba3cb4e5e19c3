"""Script mode: what AWS's training toolkit puts into the environment and on the command line of a user's
script.

Covers the members that the toolkit sets for one host (sagemaker-training 5.1); a training image without the
toolkit gets only the container contract of `/opt/ml`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

ML = PurePosixPath("/opt/ml")
HOST = "algo-1"
PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"


@dataclass(frozen=True, slots=True)
class Script:
    """A user script in script mode: its file below the source archive, and where the archive is."""

    program: str
    source: str
    hyperparameters: Mapping[str, Any]

    @property
    def arguments(self) -> tuple[str, ...]:
        """`--name value` for every hyperparameter of the user's own, in order of name as the toolkit does."""
        words: list[str] = []
        for name in sorted(self.hyperparameters):
            value = self.hyperparameters[name]
            words += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return tuple(words)


def script_of(hyperparameters: Mapping[str, str]) -> Script | None:
    """The script that the hyperparameters name; None when this is no script mode job."""
    if PROGRAM not in hyperparameters or SUBMIT_DIRECTORY not in hyperparameters:
        return None
    own = {
        name: decoded(value) for name, value in hyperparameters.items() if not name.startswith("sagemaker_")
    }
    return Script(
        str(decoded(hyperparameters[PROGRAM])), str(decoded(hyperparameters[SUBMIT_DIRECTORY])), own
    )


def decoded(value: str) -> Any:
    """A hyperparameter's value: JSON if it is JSON, else the text itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def script_environment(
    script: Script, request: Mapping[str, Any], arn: str, region: str, framework_module: str
) -> dict[str, str]:
    """The SM_* variables and their companions."""
    resource = request.get("ResourceConfig", {})
    channels = [channel["ChannelName"] for channel in request.get("InputDataConfig", ())]
    module = PurePosixPath(script.program).stem
    environment = {
        "SM_HOSTS": json.dumps([HOST]),
        "SM_CURRENT_HOST": HOST,
        "SM_MASTER_ADDR": HOST,
        "SM_NUM_GPUS": "0",
        "SM_NUM_NEURONS": "0",
        "SM_NUM_CPUS": str(os.cpu_count() or 1),
        "SM_HPS": json.dumps(script.hyperparameters),
        "SM_USER_ENTRY_POINT": script.program,
        "SM_USER_ARGS": json.dumps(list(script.arguments)),
        "SM_MODULE_NAME": module,
        "SM_MODULE_DIR": script.source,
        "SM_CHANNELS": json.dumps(sorted(channels)),
        "SM_INPUT_DATA_CONFIG": json.dumps(input_data_config(request)),
        "SM_RESOURCE_CONFIG": json.dumps(resource_config(resource)),
        "SM_FRAMEWORK_PARAMS": "{}",
        "SM_FRAMEWORK_MODULE": framework_module,
        "SM_INPUT_DIR": str(ML / "input"),
        "SM_INPUT_CONFIG_DIR": str(ML / "input/config"),
        "SM_OUTPUT_DIR": str(ML / "output"),
        "SM_OUTPUT_DATA_DIR": str(ML / "output/data"),
        "SM_OUTPUT_INTERMEDIATE_DIR": str(ML / "output/intermediate"),
        "SM_MODEL_DIR": str(ML / "model"),
        "SM_LOG_LEVEL": "20",
        "SM_NETWORK_INTERFACE_NAME": "lo",
        "SM_CURRENT_INSTANCE_TYPE": resource.get("InstanceType", "local"),
        "SM_CURRENT_INSTANCE_GROUP": "homogeneousCluster",
        "SM_CURRENT_INSTANCE_GROUP_HOSTS": json.dumps([HOST]),
        "SM_INSTANCE_GROUPS": json.dumps(["homogeneousCluster"]),
        "SM_IS_HETERO": "false",
        "SM_DISTRIBUTION_INSTANCE_GROUPS": "[]",
        "PYTHONPATH": str(ML / "code"),
    }
    environment.update({f"SM_CHANNEL_{name.upper()}": str(ML / "input/data" / name) for name in channels})
    environment.update({f"SM_HP_{name.upper()}": _argument(v) for name, v in script.hyperparameters.items()})
    environment["SM_TRAINING_ENV"] = _training_env(script, environment, channels, resource, arn, region)
    return environment


def input_data_config(request: Mapping[str, Any]) -> dict[str, Any]:
    """`/opt/ml/input/config/inputdataconfig.json`."""
    mode = request["AlgorithmSpecification"]["TrainingInputMode"]
    return {
        channel["ChannelName"]: {
            "TrainingInputMode": channel.get("InputMode", mode),
            "S3DistributionType": channel["DataSource"]
            .get("S3DataSource", {})
            .get("S3DataDistributionType", "FullyReplicated"),
            "RecordWrapperType": channel.get("RecordWrapperType", "None"),
            **({"ContentType": channel["ContentType"]} if "ContentType" in channel else {}),
        }
        for channel in request.get("InputDataConfig", ())
    }


def resource_config(resource: Mapping[str, Any]) -> dict[str, Any]:
    """`/opt/ml/input/config/resourceconfig.json`; one host, whatever InstanceCount says."""
    instance_type = resource.get("InstanceType", "local")
    return {
        "current_host": HOST,
        "current_instance_type": instance_type,
        "current_group_name": "homogeneousCluster",
        "hosts": [HOST],
        "instance_groups": [
            {"instance_group_name": "homogeneousCluster", "instance_type": instance_type, "hosts": [HOST]}
        ],
        "network_interface_name": "lo",
    }


def _training_env(
    script: Script,
    environment: Mapping[str, str],
    channels: Sequence[str],
    resource: Mapping[str, Any],
    arn: str,
    region: str,
) -> str:
    return json.dumps(
        {
            "additional_framework_parameters": {},
            "channel_input_dirs": {name: str(ML / "input/data" / name) for name in channels},
            "current_host": HOST,
            "hosts": [HOST],
            "hyperparameters": script.hyperparameters,
            "input_config_dir": environment["SM_INPUT_CONFIG_DIR"],
            "input_data_config": json.loads(environment["SM_INPUT_DATA_CONFIG"]),
            "input_dir": environment["SM_INPUT_DIR"],
            "is_master": True,
            "job_name": arn.rpartition("/")[2],
            "log_level": 20,
            "master_hostname": HOST,
            "model_dir": environment["SM_MODEL_DIR"],
            "module_dir": script.source,
            "module_name": environment["SM_MODULE_NAME"],
            "num_cpus": int(environment["SM_NUM_CPUS"]),
            "num_gpus": 0,
            "output_data_dir": environment["SM_OUTPUT_DATA_DIR"],
            "output_dir": environment["SM_OUTPUT_DIR"],
            "region": region,
            "resource_config": resource_config(resource),
            "user_entry_point": script.program,
        }
    )


def _argument(value: Any) -> str:
    return (
        value
        if isinstance(value, str)
        else json.dumps(value)
        if isinstance(value, list | dict)
        else str(value)
    )
