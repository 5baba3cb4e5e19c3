"""The server process: it starts, answers on the loopback only, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError

from local_aws import cli
from local_aws.client import AdminClient, AdminError, LocalAws
from local_aws.server import LocalServer, Settings, load_seed
from local_aws.sessions import new_client

DEADLINE = 30
SEED = {"roles": [{"name": "team", "trust": {"principals": ["arn:aws:iam::123456789012:root"]}}]}


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    """A server in a process of its own."""
    with LocalAws.start(tmp_path_factory.mktemp("local-aws"), seed=SEED) as started:
        yield started


@pytest.fixture
def frame(tmp_path: Path) -> Iterator[LocalServer]:
    """A server with STS and moto only, on a thread of this process."""
    server = LocalServer(Settings(tmp_path, services=("local_aws.sts",)))
    thread = threading.Thread(target=server.serve)
    thread.start()
    yield server
    server.stop()
    thread.join(DEADLINE)


def test_it_answers_with_the_seeded_roles(aws: LocalAws) -> None:
    """Own services, moto and the admin API are behind one URL."""
    role = "arn:aws:iam::123456789012:role/team"
    answer = aws.client("sts").assume_role(RoleArn=role, RoleSessionName="run")
    assert answer["AssumedRoleUser"]["Arn"].endswith("assumed-role/team/run")
    assert aws.client("sqs").list_queues()["ResponseMetadata"]["HTTPStatusCode"] == 200
    assert aws.admin("GET", "health")["status"] == "ok"
    assert aws.ledger(operation="AssumeRole")[0]["resource"] == role


def test_it_listens_on_the_loopback_only(aws: LocalAws) -> None:
    """User code runs behind this port."""
    assert urlsplit(aws.url).hostname == "127.0.0.1"


def test_the_admin_client_raises_what_the_admin_api_says(aws: LocalAws) -> None:
    """With the field's name."""
    with pytest.raises(AdminError, match=r"^kind: 'explode' is not known"):
        aws.script(operation="CreateModel", kind="explode")


def test_a_dropped_answer_closes_the_connection(frame: LocalServer) -> None:
    """The client gets no byte, the call is in the ledger as accepted."""
    client = _client(frame, "sts")
    AdminClient(frame.url).script(operation="GetCallerIdentity", kind="accept-then-drop")
    with pytest.raises(ConnectionClosedError):
        client.get_caller_identity()
    assert client.get_caller_identity()["Arn"].endswith("user/admin")
    outcomes = [(entry.accepted, entry.answered) for entry in frame.world.ledger.entries()]
    assert outcomes == [(True, False), (True, True)]


def test_connections_are_kept_alive(frame: LocalServer) -> None:
    """Two requests on one socket, also after a refused upload whose body nobody read."""
    upload = b"x" * 100_000
    with socket.create_connection(_address(frame), timeout=DEADLINE) as connection:
        reader = connection.makefile("rb")
        unsigned = f"PUT /bucket/key HTTP/1.1\r\nHost: x\r\nContent-Length: {len(upload)}\r\n\r\n"
        connection.sendall(unsigned.encode() + upload)
        assert _answer(reader)[0] == 403
        connection.sendall(b"GET /_local/health HTTP/1.1\r\nHost: x\r\n\r\n")
        assert _answer(reader)[0] == 200


def test_handlers_can_call_their_own_local_aws_from_every_thread(frame: LocalServer) -> None:
    """Internal clients take no server thread, so more callers than threads cannot block each other."""
    client = frame.world.client("s3")
    client.create_bucket(Bucket="shared", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    failures: list[BaseException] = []

    def put(number: int) -> None:
        try:
            client.put_object(Bucket="shared", Key=str(number), Body=b"x")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=put, args=(number,)) for number in range(48)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    assert failures == []
    assert client.list_objects_v2(Bucket="shared")["KeyCount"] == 48


def test_two_instances_serve_side_by_side(frame: LocalServer, tmp_path: Path) -> None:
    """Each on its own port."""
    second = LocalServer(Settings(tmp_path / "second", services=("local_aws.sts",)))
    assert second.url != frame.url
    second.stop()


def test_sigterm_stops_it_and_frees_the_port(tmp_path: Path) -> None:
    """Gracefully, with exit code 0, though a client sits in a long poll."""
    aws = LocalAws.start(tmp_path)
    queue = aws.client("sqs").create_queue(QueueName="q")["QueueUrl"]
    poller = aws.client("sqs", config=Config(retries={"total_max_attempts": 1}))
    poll = threading.Thread(target=_poll, args=(poller, queue))
    poll.start()
    aws.process.send_signal(signal.SIGTERM)
    assert aws.process.wait(DEADLINE) == 0
    poll.join(DEADLINE)
    aws.stop()
    with pytest.raises(ConnectionRefusedError), socket.create_connection(_address(aws), timeout=DEADLINE):
        pass


def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    """Even if the parent is killed with SIGKILL."""
    script = (
        "import pathlib, sys, time\n"
        "from local_aws.client import LocalAws\n"
        "aws = LocalAws.start(pathlib.Path(sys.argv[1]))\n"
        "print(aws.process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    argv = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = os.pidfd_open(int(parent.stdout.readline()))
        parent.kill()
    with os.fdopen(child) as handle:
        assert _ended(handle.fileno())


def test_the_ready_file_holds_the_url(tmp_path: Path) -> None:
    """For starters that do not read standard output."""
    ready = tmp_path / "ready"
    argv = [sys.executable, "-m", "local_aws", "serve", "--folder", str(tmp_path), "--ready-file", str(ready)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        assert ready.read_text(encoding="utf-8") == f"{url}\n"
        process.terminate()


def test_a_wrong_seed_stops_the_start_with_a_reason(tmp_path: Path) -> None:
    """The log's end is in the exception."""
    with pytest.raises(RuntimeError, match=r"role\.name: give the role's name"):
        LocalAws.start(tmp_path, seed={"roles": [{}]})


def test_a_seed_file_with_another_key_is_refused(tmp_path: Path) -> None:
    """A typo must not start a local AWS without roles."""
    seed = tmp_path / "seed.json"
    seed.write_text('{"role": []}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"seed\.json"):
        load_seed(seed)


def test_the_command_line_shows_ledger_and_summary(frame: LocalServer, capsys: pytest.CaptureFixture[str]) -> None:
    """One line a call, counts by operation, JSON on request."""
    _client(frame, "sts").get_caller_identity()
    assert cli.main(["ledger", "--url", frame.url]) == 0
    assert "user/admin sts:GetCallerIdentity  accepted" in capsys.readouterr().out
    assert cli.main(["summary", "--url", frame.url]) == 0
    assert "sts:GetCallerIdentity" in capsys.readouterr().out
    assert cli.main(["ledger", "--json", "--operation", "AssumeRole", "--url", frame.url]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert cli.main(["health", "--url", frame.url]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == "ok"


def test_the_command_line_says_when_nothing_answers(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and one line."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert cli.main(["health", "--url", url]) == 1
    assert capsys.readouterr().err.startswith("local_aws: ")


def _client(server: LocalServer, service: str) -> Any:
    return new_client(
        service,
        endpoint_url=server.url,
        region_name="eu-central-1",
        aws_access_key_id="LOCALADMIN",
        aws_secret_access_key="local",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _address(server: LocalServer | LocalAws) -> tuple[str, int]:
    url = urlsplit(server.url)
    return str(url.hostname), int(url.port or 0)


def _answer(reader: Any) -> tuple[int, bytes]:
    status = int(reader.readline().split()[1])
    length = 0
    while (line := reader.readline().strip()) != b"":
        name, _, value = line.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    return status, reader.read(length)


def _poll(client: Any, queue: str) -> None:
    with pytest.raises(Exception, match=r"closed|Could not connect|Connection|endpoint"):
        client.receive_message(QueueUrl=queue, WaitTimeSeconds=20)


def _ended(pidfd: int) -> bool:
    import select

    return bool(select.select([pidfd], [], [], DEADLINE)[0])
