"""config: defaults, conversions, and errors that name the variable and the fix."""

from __future__ import annotations

import re
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sagemaker_gitops import config
from sagemaker_gitops.config import ConfigError, Settings

ID = {"SAGEMAKER_GITOPS_INSTALL_ID": "prod-eu"}


def test_only_the_install_id_is_required() -> None:
    """Everything else has a default that suits a cluster."""
    assert Settings.from_env(ID) == Settings(install_id="prod-eu")


def test_a_missing_install_id_is_explained() -> None:
    """It is part of every AWS name, so no default would be safe."""
    with pytest.raises(ConfigError, match="SAGEMAKER_GITOPS_INSTALL_ID is not set: choose"):
        Settings.from_env({})


def test_values_are_converted(tmp_path: Path) -> None:
    """Lists, durations, addresses and files arrive as what they are."""
    kubeconfig = tmp_path / "config"
    kubeconfig.write_text("")
    settings = Settings.from_env(
        {
            **ID,
            "SAGEMAKER_GITOPS_NAMESPACES": "team-a, team-b",
            "SAGEMAKER_GITOPS_WORKERS": "4",
            "SAGEMAKER_GITOPS_HEALTH_ADDRESS": "127.0.0.1:0",
            "SAGEMAKER_GITOPS_SWEEP_INTERVAL": "5m",
            "SAGEMAKER_GITOPS_ABSENCE_INTERVAL": "0.5",
            "SAGEMAKER_GITOPS_DELETION_LIMIT": "0",
            "SAGEMAKER_GITOPS_DELETION_WINDOW": "1h",
            "SAGEMAKER_GITOPS_LOG_LEVEL": "debug",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "KUBECONFIG": str(kubeconfig),
        }
    )
    assert settings.namespaces == ("team-a", "team-b")
    assert (settings.workers, settings.health_address) == (4, ("127.0.0.1", 0))
    assert (settings.sweep_interval, settings.absence_interval) == (300.0, 0.5)
    assert (settings.deletion_limit, settings.deletion_window) == (0, 3600.0)
    assert (settings.log_level, settings.aws_endpoint_url) == ("DEBUG", "http://127.0.0.1:4566")
    assert settings.kubeconfig == kubeconfig


@pytest.mark.parametrize(
    ("variable", "value", "fix"),
    [
        ("SAGEMAKER_GITOPS_INSTALL_ID", "Prod EU", "lower-case letters"),
        ("SAGEMAKER_GITOPS_WORKERS", "0", "1 to 256"),
        ("SAGEMAKER_GITOPS_WORKERS", "many", "whole number"),
        ("SAGEMAKER_GITOPS_DELETION_LIMIT", "none", "0 means no limit"),
        ("SAGEMAKER_GITOPS_SWEEP_INTERVAL", "5 minutes", "such as 90s, 5m or 1h"),
        ("SAGEMAKER_GITOPS_HEALTH_ADDRESS", "8080", "host:port"),
        ("SAGEMAKER_GITOPS_EVENT_QUEUE_URL", "queue", "http://"),
        ("SAGEMAKER_GITOPS_LOG_LEVEL", "chatty", "DEBUG, INFO"),
        ("KUBECONFIG", "/nowhere/config", "existing kubeconfig"),
        *(
            ("SAGEMAKER_GITOPS_LOCAL_CLOCK", value, "speed@moment")
            for value in ("4", "fast@2026-11-21T10:00:00Z", "4@noon", "0@2026-11-21T10:00:00Z", "4@2026-11-21T10:00:00")
        ),
    ],
)
def test_a_wrong_value_names_the_variable_and_the_fix(variable: str, value: str, fix: str) -> None:
    """The message is all that the person at the pod's log has."""
    with pytest.raises(ConfigError, match=f"^{variable}={re.escape(repr(value))}: .*{re.escape(fix)}"):
        Settings.from_env({**ID, variable: value})


@pytest.mark.parametrize("url", [{}, {"AWS_ENDPOINT_URL": "https://vpce.sagemaker.eu-central-1.amazonaws.com"}])
def test_another_clock_is_for_a_local_aws_alone(url: dict[str, str]) -> None:
    """Beside AWS itself quarantines and cooldowns would be too short."""
    clock = {"SAGEMAKER_GITOPS_LOCAL_CLOCK": "4@2026-11-21T10:00:00+00:00"}
    with pytest.raises(ConfigError, match="LOCAL_CLOCK is for a local AWS on this machine"):
        Settings.from_env({**ID, **clock, **url})
    local = Settings.from_env({**ID, **clock, "AWS_ENDPOINT_URL": "http://127.0.0.1:4566"})
    assert local.local_clock == (4.0, datetime(2026, 11, 21, 10, tzinfo=UTC))


def test_every_setting_has_a_variable_and_a_comment() -> None:
    """A setting that cannot be set, or that nobody explains, does not exist."""
    source = Path(config.__file__).read_text()
    for field in fields(Settings):
        assert field.name in config._VARIABLES
        assert re.search(rf"    {field.name}: [^\n]*\n    \"\"\"", source), field.name
