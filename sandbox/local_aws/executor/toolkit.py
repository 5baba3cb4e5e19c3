"""Script mode: the environment and command line that AWS's training toolkit gives a user's script.

Equal to `sagemaker-training` 5.1.4 for one host, which the tests hold against a recording of it. The toolkit is part of
the framework images; other training images get the folder contract only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PROGRAM = "sagemaker_program"
SUBMIT_DIRECTORY = "sagemaker_submit_directory"
_CONTAINER = "sagemaker_"
# Not of the user and not of a framework: neither in SM_HPS nor in SM_FRAMEWORK_PARAMS.
_TOOLKIT = frozenset(
    {
        PROGRAM,
        SUBMIT_DIRECTORY,
        "sagemaker_enable_cloudwatch_metrics",
        "sagemaker_region",
        "sagemaker_container_log_level",
        "sagemaker_job_name",
        "default_user_module_name",
        "_tuning_objective_metric",
        "sagemaker_s3_output",
    }
)
_INFO = 20


def decoded(hyperparameters: Mapping[str, str]) -> dict[str, Any]:
    """Hyperparameters with their values read as JSON; a value that is no JSON stays the text it is."""
    return {name: _json_or_text(value) for name, value in hyperparameters.items()}


def _json_or_text(value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        return value


@dataclass(frozen=True, slots=True)
class Toolkit:
    """What the toolkit knows of a job: the request's hyperparameters and the documents of `/opt/ml/input/config`.

    `framework_module` is the image's SAGEMAKER_TRAINING_MODULE, None where it sets none.
    """

    job_name: str
    hyperparameters: Mapping[str, str]
    input_data_config: Mapping[str, Mapping[str, str]]
    resource_config: Mapping[str, Any]
    framework_module: str | None = None

    @property
    def program(self) -> str:
        """The user's entry point, relative to the source."""
        return str(decoded(self.hyperparameters)[PROGRAM])

    @property
    def user_hyperparameters(self) -> dict[str, Any]:
        """The hyperparameters that are the script's own, decoded."""
        values = decoded(self.hyperparameters)
        return {name: value for name, value in values.items() if name not in _TOOLKIT and not name.startswith(_CONTAINER)}

    @property
    def user_arguments(self) -> tuple[str, ...]:
        """`--name value` for every own hyperparameter, sorted by name; a one-letter name gets one dash."""
        words: list[str] = []
        for name, value in sorted(self.user_hyperparameters.items()):
            words += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(value)]
        return tuple(words)

    def environment(self) -> dict[str, str]:
        """The SM_* variables: upper-cased with dashes kept, texts as they are, anything else as JSON."""
        training = self._training_environment()
        values: dict[str, Any] = {name: value for name, value in training.items() if name not in _ONLY_IN_TRAINING_ENV}
        values |= {
            "channels": sorted(self.input_data_config),
            "hps": self.user_hyperparameters,
            "framework_params": training["additional_framework_parameters"],
            "training_env": training,
            "user_args": list(self.user_arguments),
        }
        values |= {f"channel_{name}": path for name, path in training["channel_input_dirs"].items()}
        values |= {f"hp_{name}": value for name, value in self.user_hyperparameters.items()}
        return {f"SM_{name.upper()}": _variable(value) for name, value in values.items()}

    def _training_environment(self) -> dict[str, Any]:
        values = decoded(self.hyperparameters)
        framework = {name: value for name, value in values.items() if name.startswith(_CONTAINER) and name not in _TOOLKIT}
        return {
            "additional_framework_parameters": framework,
            "framework_module": self.framework_module,
            "hyperparameters": self.user_hyperparameters,
            "job_name": self.job_name,
            "log_level": values.get("sagemaker_container_log_level", _INFO),
            "module_dir": str(values.get(SUBMIT_DIRECTORY, "/opt/ml/code")),
            "module_name": self.program.removesuffix(".py"),
            "user_entry_point": self.program,
            **self._host_environment(framework),
            **_FOLDERS,
            "channel_input_dirs": {name: f"/opt/ml/input/data/{name}" for name in self.input_data_config},
            "input_data_config": self.input_data_config,
        }

    def _host_environment(self, framework: Mapping[str, Any]) -> dict[str, Any]:
        resource = self.resource_config
        groups = {group["instance_group_name"]: group for group in resource["instance_groups"]}
        current = resource["current_group_name"]
        distributed = framework.get("sagemaker_distribution_instance_groups", [])
        master = resource["hosts"][0]
        return {
            "current_host": resource["current_host"],
            "current_instance_group": current,
            "current_instance_group_hosts": groups[current]["hosts"],
            "current_instance_type": resource["current_instance_type"],
            "distribution_hosts": [],
            "distribution_instance_groups": distributed,
            "hosts": resource["hosts"],
            "instance_groups": list(groups),
            "instance_groups_dict": groups,
            "is_hetero": len(groups) > 1,
            "is_master": resource["current_host"] == master,
            "is_modelparallel_enabled": None,
            "is_smddpmprun_installed": False,
            "is_smddprun_installed": False,
            "master_hostname": master,
            "network_interface_name": resource["network_interface_name"],
            "num_cpus": os.cpu_count() or 1,
            "num_gpus": 0,
            "num_neurons": 0,
            "resource_config": resource,
            "topology": [],
        }


_FOLDERS: Mapping[str, str] = {
    "input_config_dir": "/opt/ml/input/config",
    "input_dir": "/opt/ml/input",
    "model_dir": "/opt/ml/model",
    "output_data_dir": "/opt/ml/output/data",
    "output_dir": "/opt/ml/output",
    "output_intermediate_dir": "/opt/ml/output/intermediate",
}
_ONLY_IN_TRAINING_ENV = frozenset(
    {
        "additional_framework_parameters",
        "channel_input_dirs",
        "distribution_hosts",
        "hyperparameters",
        "is_master",
        "is_modelparallel_enabled",
        "is_smddpmprun_installed",
        "is_smddprun_installed",
        "job_name",
        "master_hostname",
        "topology",
    }
)


def script_error(code: int, output: str, command: str) -> str:
    """What the toolkit writes to `/opt/ml/output/failure` for a script that failed; `output` is its stderr."""
    text = f'ExecuteUserScriptError:\nExitCode {code}\nErrorMessage "{output}"\n'
    if code == 137:
        text += 'ExtraInfo "OutOfMemory: Process killed by SIGKILL (signal 9)"\n'
    return f'{text}Command "{command}"'


def _argument(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, dict):
        return ",".join(f"{key}={each}" for key, each in sorted(value.items()))
    return str(value)


def _variable(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, separators=(",", ":"))
