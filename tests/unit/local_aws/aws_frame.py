"""A local AWS without a port: the WSGI application, called by boto3 clients inside the test's process."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local_aws import iam, sts
from local_aws.app import App
from local_aws.clock import Clock
from local_aws.faults import Faults
from local_aws.identity import ADMIN_KEY, Identity, Role
from local_aws.inprocess import InProcess
from local_aws.ledger import Ledger
from local_aws.moto_backend import MotoBackend
from local_aws.service import Operations
from local_aws.world import World

ACCOUNT = "123456789012"
REGION = "eu-central-1"
URL = "http://127.0.0.1:9"
TEAM = f"arn:aws:iam::{ACCOUNT}:role/team"


@dataclass(frozen=True, slots=True)
class Local:
    """The world, its application and the operations that the test may add to."""

    world: World
    app: App
    operations: Operations

    def client(self, service: str, key: str = ADMIN_KEY, token: str | None = None) -> Any:
        """A boto3 client that signs with `key`."""
        source = InProcess(URL, REGION, key, token)
        source.app = self.app
        return source.client(service)

    def team_client(self, service: str) -> Any:
        """A client with a session of the role `team`."""
        credentials = self.world.identity.mint(TEAM, "test", None)
        return self.client(service, credentials.access_key_id, credentials.session_token)


def build(folder: Path, moto: MotoBackend) -> Local:
    """A local AWS with STS and moto, and one role `team` that the admin user may assume."""
    clock = Clock()
    identity = Identity(ACCOUNT, clock)
    identity.register(Role(arn=TEAM, principals=frozenset({f"arn:aws:iam::{ACCOUNT}:user/admin"})))
    internal = InProcess(URL, REGION)
    world = World(
        account=ACCOUNT,
        region=REGION,
        clock=clock,
        endpoint_url=URL,
        folder=folder,
        ledger=Ledger(),
        faults=Faults(),
        identity=identity,
        client_factory=internal.client,
    )
    operations = sts.operations(world) | iam.operations(world)
    app = internal.app = App(world, operations, moto)
    world.on_close(clock.close)
    return Local(world, app, operations)


def wsgi(app: App, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """One raw request signed by the admin user: (status, headers, body)."""
    url, _, query = path.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": url,
        "QUERY_STRING": query,
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "9",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_HOST": "127.0.0.1:9",
        "HTTP_AUTHORIZATION": f"Credential={ADMIN_KEY}/20260101/{REGION}/sagemaker/aws4_request",
    }
    environ |= headers or {}
    started: list[tuple[str, list[tuple[str, str]]]] = []
    chunks = app(environ, lambda status, answered: started.append((status, answered)))
    return int(started[0][0][:3]), dict(started[0][1]), b"".join(chunks)
