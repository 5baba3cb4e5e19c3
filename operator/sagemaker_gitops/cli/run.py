"""`run`: the operator process."""

from __future__ import annotations

import argparse
import asyncio
import ipaddress
import os
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from sagemaker_gitops import shell
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.config import ConfigError, Settings
from sagemaker_gitops.kube.credentials import LoginError, from_kubeconfig
from sagemaker_gitops.runtime.logs import configure
from sagemaker_gitops.wiring import wire

SANDBOX_PREFIX = "sagemaker-gitops-sandbox-"  # local_cluster.instance.CONTEXT_PREFIX; sandbox/ is never imported


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Everything else comes from the environment (config.py): the operator is configured by its Deployment."""
    parser.add_argument("--context", default="", help="context of KUBECONFIG; only the sandbox's may be left out")
    parser.epilog = "Settings are environment variables SAGEMAKER_GITOPS_*; see sagemaker_gitops/config.py."


def run(options: argparse.Namespace) -> int:
    given = {"SAGEMAKER_GITOPS_KUBE_CONTEXT": options.context} if options.context else {}
    try:
        settings = Settings.from_env({**os.environ, **given})
        if settings.kubeconfig is not None and not settings.kube_context:
            require_sandbox(settings.kubeconfig)
        configure(settings.log_level)
        asyncio.run(shell.run(settings, wire))
    except (ConfigError, LoginError) as error:
        raise CommandError(str(error), USAGE) from error
    return 0


def require_sandbox(kubeconfig: Path) -> None:
    """A laptop's current context may be anybody's production: without --context the operator writes to the sandbox only."""
    server = from_kubeconfig(kubeconfig).server
    name = str(yaml.safe_load(kubeconfig.read_text("utf-8"))["current-context"])
    if not name.startswith(SANDBOX_PREFIX) or not _on_loopback(server):
        raise CommandError(f"context {name} ({server}) is not the sandbox's: to run the operator there, name it with --context", USAGE)


def _on_loopback(server: str) -> bool:
    try:
        return ipaddress.ip_address(urlsplit(server).hostname or "").is_loopback
    except ValueError:
        return False
