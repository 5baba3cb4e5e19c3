"""The tiny AWS of the client tests, and an environment in which botocore finds the operator's key and nothing of the machine's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import botocore.session
import pytest
from botocore.loaders import Loader, create_loader

from tests.unit.aws.aws_adapter_server import OPERATOR_KEY, AwsServer, serving


@pytest.fixture(autouse=True)
def operator_identity(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The machine's own credentials, profiles and proxies do not matter."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_MAX_ATTEMPTS", "AWS_RETRY_MODE", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", OPERATOR_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")


@pytest.fixture(scope="session")
def service_models() -> Loader:
    """Read from disk once: each client has a session of its own."""
    return create_loader()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, service_models: Loader) -> Iterator[AwsServer]:
    """One for each test: its requests are counted."""
    monkeypatch.setattr(botocore.session, "create_loader", lambda path: service_models)
    with serving() as found:
        yield found
