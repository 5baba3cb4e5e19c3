"""`run`: the operator process."""

from __future__ import annotations

import argparse
import asyncio

from sagemaker_gitops import shell
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.config import ConfigError, Settings
from sagemaker_gitops.kube.credentials import LoginError
from sagemaker_gitops.runtime.logs import configure
from sagemaker_gitops.wiring import wire


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything comes from the environment (config.py): the operator is configured by its Deployment."""
    parser.epilog = "Settings are environment variables SAGEMAKER_GITOPS_*; see sagemaker_gitops/config.py."


def run(options: argparse.Namespace) -> int:
    try:
        settings = Settings.from_env()
        configure(settings.log_level)
        asyncio.run(shell.run(settings, wire))
    except (ConfigError, LoginError) as error:
        raise CommandError(str(error), USAGE) from error
    return 0
