"""The settings of the operator, frozen; the only reader of the environment in operator/.

Every variable has a default but the installation's id: it is part of every AWS name, so it must be chosen and kept in git.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from sagemaker_gitops.core.prices import Prices, list_prices, prices_of

PREFIX = "SAGEMAKER_GITOPS_"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


class ConfigError(Exception):
    """A variable is missing or wrong; the message names it and the fix."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are seconds. Variables are named SAGEMAKER_GITOPS_<FIELD> unless the field says otherwise."""

    install_id: str
    """Names this installation in every AWS name and tag. Never change it: the operator would find none of its jobs."""

    namespaces: tuple[str, ...] = ()
    """Namespaces to serve, comma-separated; empty: all that a Tenant names."""

    workers: int = 16
    """Passes at once. Three quarters of them may work for one namespace."""

    health_address: tuple[str, int] = ("0.0.0.0", 8080)
    """host:port of /healthz, /readyz and /metrics; port 0 takes a free one."""

    event_queue_url: str = ""
    """SQS queue that EventBridge feeds; empty: no push, the List sweep alone."""

    sweep_interval: float = 60.0
    """Between two List sweeps over active jobs."""

    drift_interval: float = 300.0
    """Between two looks at the list of endpoints for what somebody has changed."""

    absence_interval: float = 30.0
    """Between the two looks that must agree before a finalizer goes."""

    glue_quarantine: float = 120.0
    """After an attempt to start a Glue run, until a run that cannot be found may be started again."""

    create_quarantine: float = 300.0
    """After an attempt to create a job, until a job that cannot be found is believed to be absent when its object is deleted."""

    deletion_limit: int = 10
    """Objects with something at AWS that may be deleted within deletion_window; more are held until somebody agrees. 0: no limit."""

    deletion_window: float = 600.0
    """Within which deletions are counted."""

    spending_interval: float = 300.0
    """How long what a Tenant with a monthly budget has spent is remembered before AWS is asked again."""

    aws_endpoint_url: str = ""
    """AWS_ENDPOINT_URL: another address for every AWS service, such as the local AWS; empty: AWS's own."""

    local_clock: tuple[float, datetime] | None = None
    """speed@moment: the clock of a local AWS that is this much faster than the wall since then; beside no other AWS."""

    aws_region: str = "us-east-1"
    """AWS_DEFAULT_REGION: where the event queue is, when its URL does not say so."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    stop_grace: float = 20.0
    """How long running passes may take to end after SIGTERM; keep it below terminationGracePeriodSeconds."""

    prices: Prices = field(default_factory=list_prices)
    """File with prices over those of the package, as YAML: {asOf: date, hosting: {region: {instance type: dollars per hour}}}."""

    monitoring_code: Path | None = None
    """Folder with the files that checks of a MonitorPolicy run, of which check.py is started; empty: those of the package."""

    longest_backoff: float = 3600.0
    """The longest pause between two attempts at what fails, but for failures that start slower."""

    kubeconfig: Path | None = None
    """KUBECONFIG: the file to log in with; empty inside a cluster: the pod's service account."""

    kube_context: str = ""
    """The context of the kubeconfig file; empty: its current one."""

    service_host: str = ""
    """KUBERNETES_SERVICE_HOST, which Kubernetes sets in every pod."""

    service_port: str = "443"
    """KUBERNETES_SERVICE_PORT, likewise."""

    instance: str = "local"
    """HOSTNAME: the pod's name, said in Kubernetes Events."""

    @classmethod
    def from_env(cls, env: Mapping[str, str] = os.environ) -> Settings:
        """Read the environment. Raises ConfigError."""

        given: dict[str, Any] = {}
        for setting, (variable, convert) in _VARIABLES.items():
            name = variable or PREFIX + setting.upper()
            if text := env.get(name, "").strip():
                try:
                    given[setting] = convert(text)
                except ValueError as error:
                    raise ConfigError(f"{name}={text!r}: {error}") from None
        if "install_id" not in given:
            raise ConfigError(f"{PREFIX}INSTALL_ID is not set: choose a short constant, such as prod-eu, and keep it in git")
        made = cls(**given)
        if made.local_clock is not None and not made.aws_is_local:
            raise ConfigError(f"{PREFIX}LOCAL_CLOCK is for a local AWS on this machine, and AWS_ENDPOINT_URL names none: unset it")
        return made

    @property
    def aws_is_local(self) -> bool:
        """Whether the AWS is a process of this machine."""
        return urlsplit(self.aws_endpoint_url).hostname in LOCAL_HOSTS


def _install_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?", text):
        raise ValueError("must be 1 to 32 lower-case letters, digits and dashes")
    return text


def _names(text: str) -> tuple[str, ...]:
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 256:
        raise ValueError("must be a whole number from 1 to 256")
    return int(text)


def _limit(text: str) -> int:
    if not text.isdigit() or int(text) > 100_000:
        raise ValueError("must be a whole number up to 100000; 0 means no limit")
    return int(text)


def _seconds(text: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)?", text)
    if match is None:
        raise ValueError("must be a duration such as 90s, 5m or 1h")
    return float(match[1]) * _UNITS[match[2] or ""]


def _clock(text: str) -> tuple[float, datetime]:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)@(.+)", text)
    words = "must be speed@moment, such as 4@2026-11-21T10:00:00+00:00"
    try:
        found = None if match is None else (float(match[1]), datetime.fromisoformat(match[2]))
    except ValueError as error:
        raise ValueError(words) from error
    if found is None or found[0] <= 0 or found[1].tzinfo is None:
        raise ValueError(words)
    return found


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdigit() or int(port) > 65535:
        raise ValueError("must be host:port, such as 0.0.0.0:8080")
    return host.strip("[]") or "0.0.0.0", int(port)


def _url(text: str) -> str:
    if not text.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return text


def _level(text: str) -> str:
    if text.upper() not in LOG_LEVELS:
        raise ValueError(f"must be one of {', '.join(LOG_LEVELS)}")
    return text.upper()


def _file(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_file():
        raise ValueError("must name one existing kubeconfig file")
    return path


def _folder(text: str) -> Path:
    path = Path(text).expanduser()
    if not path.is_dir():
        raise ValueError("must name an existing folder")
    return path


def _prices(text: str) -> Prices:
    try:
        return prices_of(yaml.safe_load(Path(text).expanduser().read_text()), list_prices())
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise ValueError(f"is not YAML: {error}") from error


_VARIABLES: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "install_id": ("", _install_id),
    "namespaces": ("", _names),
    "workers": ("", _count),
    "health_address": ("", _address),
    "event_queue_url": ("", _url),
    "sweep_interval": ("", _seconds),
    "drift_interval": ("", _seconds),
    "absence_interval": ("", _seconds),
    "glue_quarantine": ("", _seconds),
    "create_quarantine": ("", _seconds),
    "deletion_limit": ("", _limit),
    "deletion_window": ("", _seconds),
    "spending_interval": ("", _seconds),
    "aws_endpoint_url": ("AWS_ENDPOINT_URL", _url),
    "local_clock": ("", _clock),
    "aws_region": ("AWS_DEFAULT_REGION", str),
    "log_level": ("", _level),
    "stop_grace": ("", _seconds),
    "longest_backoff": ("", _seconds),
    "monitoring_code": ("", _folder),
    "prices": ("", _prices),
    "kubeconfig": ("KUBECONFIG", _file),
    "kube_context": ("", str),
    "service_host": ("KUBERNETES_SERVICE_HOST", str),
    "service_port": ("KUBERNETES_SERVICE_PORT", str),
    "instance": ("HOSTNAME", str),
}
