"""One botocore client serves every tenant: that holds only while botocore asks for credentials in the calling thread, at signing time.

Red when a new botocore caches them, or signs elsewhere: then one tenant's call would carry another's identity.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.credentials import ReadOnlyCredentials

from sagemaker_gitops.aws.clients import CONFIG
from sagemaker_gitops.aws.credentials import ThreadCredentials
from tests.contract.botocore.botocore_wire import Sent, Wire

THREADS, TURNS = 16, 4
AUTHORIZATION = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d+/[^/]+/[^/]+/aws4_request), SignedHeaders=([^,]+), Signature=(\w+)")


def session_of(name: str) -> ReadOnlyCredentials:
    return ReadOnlyCredentials(f"AKID{name}", f"secret-of-{name}", f"token-of-{name}")


def signature(sent: Sent, secret: str) -> tuple[str, str, str]:
    """Access key id, signature sent, and the one that `secret` gives (AWS IAM User Guide, "Create a signed AWS API request")."""
    found = AUTHORIZATION.fullmatch(sent.headers["authorization"])
    assert found is not None
    key, scope, names, signed = found.groups()
    values = "".join(f"{name}:{sent.headers[name]}\n" for name in names.split(";"))
    canonical = "\n".join(["POST", "/", "", values, names, hashlib.sha256(sent.body).hexdigest()])
    text = "\n".join(["AWS4-HMAC-SHA256", sent.headers["x-amz-date"], scope, hashlib.sha256(canonical.encode()).hexdigest()])
    derived = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        derived = hmac.digest(derived, part.encode(), "sha256")
    return key, signed, hmac.digest(derived, text.encode(), "sha256").hex()


def shared_client(wire: Wire, credentials: ThreadCredentials) -> Any:
    """As clients.py makes it."""
    session = boto3.session.Session(region_name="eu-west-1")
    session._session._credentials = credentials
    return session.client("glue", endpoint_url=wire.url, config=CONFIG)


@pytest.fixture
def busy(wire: Wire) -> Wire:
    """Each thread's call names its own session in its body; all of a turn are under way at once."""
    credentials = ThreadCredentials()
    client = shared_client(wire, credentials)
    wire.meeting = threading.Barrier(THREADS, timeout=10)

    def work(number: int) -> None:
        for turn in range(TURNS):
            name = f"{number}x{turn}"
            credentials.use(session_of(name))
            client.start_job_run(JobName=name)

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(work, range(THREADS)))
    return wire


def test_each_thread_signs_with_its_own_key(busy: Wire) -> None:
    """Sixteen threads, one client: key id and token of every request are those of the job's own session."""
    assert len(busy.sent) == THREADS * TURNS
    for sent in busy.sent:
        mine = session_of(json.loads(sent.body)["JobName"])
        assert f"Credential={mine.access_key}/" in sent.headers["authorization"]
        assert sent.headers["x-amz-security-token"] == mine.token


def test_key_and_secret_come_from_one_session(busy: Wire) -> None:
    """The signature is that of the same session's secret, token and body included, as AWS would compute it."""
    for sent in busy.sent:
        mine = session_of(json.loads(sent.body)["JobName"])
        key, signed, expected = signature(sent, mine.secret_key)
        assert (key, signed) == (mine.access_key, expected)
        assert "x-amz-security-token" in sent.headers["authorization"]


def test_a_thread_that_changes_its_session_signs_with_the_new_one(wire: Wire) -> None:
    """A pool's thread serves one tenant after another: nothing of the last one stays in the client."""
    credentials = ThreadCredentials()
    client = shared_client(wire, credentials)
    for name in ("one", "two", "one"):
        credentials.use(session_of(name))
        client.start_job_run(JobName=name)
    assert [signature(sent, "")[0] for sent in wire.sent] == ["AKIDone", "AKIDtwo", "AKIDone"]
