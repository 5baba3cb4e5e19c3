"""The operator's own eyes for commands: the same kinds, the same AWS door, without a queue behind them and never asked to execute."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from sagemaker_gitops.aws.clients import Clients
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.limits import START_RATES, Limits
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.config import ConfigError, Settings
from sagemaker_gitops.runtime.clock import SystemClock
from sagemaker_gitops.runtime.ports import Kind
from sagemaker_gitops.wiring import kinds_of


class Uncounted:
    """A command has no metrics."""

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None:
        return None


def clients(install: str) -> tuple[Clients, Settings]:
    """The AWS door with the credentials of the environment. `install` must be the operator's, or every name differs."""
    try:
        settings = Settings.from_env({**os.environ, "KUBECONFIG": "", **({"SAGEMAKER_GITOPS_INSTALL_ID": install} if install else {})})
    except ConfigError as error:
        raise CommandError(f"{error} (or --install-id)", USAGE) from error
    clock = SystemClock()
    limits = Limits(START_RATES, monotonic=clock.monotonic)
    return Clients(settings.aws_endpoint_url, limits, Uncounted(), clock.now, clock.monotonic), settings


def kinds(aws: Clients, settings: Settings, references: References) -> Mapping[str, Kind]:
    """The operator's kinds by name, looking before they say that something would be created."""
    made = kinds_of(aws, references, settings)
    return replace(made, runs=replace(made.runs, optimistic=False)).by_name()
