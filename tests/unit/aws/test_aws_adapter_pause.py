"""aws.clients, credentials that fail: a thousand objects of one account must not hammer STS, and nobody else may suffer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from sagemaker_gitops.aws.clients import FIRST_PAUSE, LONGEST_PAUSE, Clients
from sagemaker_gitops.aws.errors import CREDENTIAL_CODES
from sagemaker_gitops.aws.limits import UNLIMITED, Limits
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from tests.unit.aws.aws_adapter_fakes import ACCOUNT, SCOPE, HandTime, scope
from tests.unit.aws.aws_adapter_server import OPERATOR_KEY, AwsServer, Request, Response, key_of, refusal, xml_refusal


class Silent:
    """clients.Recorder that keeps nothing."""

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None:
        """Counts nothing."""


class Case:
    """Clients at a time that stands still."""

    def __init__(self, server: AwsServer) -> None:
        self.server = server
        self.time = HandTime()
        server.expires = lambda: self.time.now().replace(year=2099)
        limits = Limits(UNLIMITED, monotonic=self.time.monotonic)
        self.clients = Clients(server.url, limits, Silent(), self.time.now, self.time.monotonic)

    def call(self, whose: Scope = SCOPE) -> dict[str, Any]:
        return asyncio.run(self.clients.call(whose, "logs", "DescribeLogGroups", {}))

    def code(self, whose: Scope = SCOPE) -> str:
        with pytest.raises(AwsFailure) as caught:
            self.call(whose)
        assert caught.value.category is Category.BLOCKED
        assert not caught.value.ambiguous
        return caught.value.code

    def sent(self) -> int:
        return len(self.server.requests)


@pytest.mark.parametrize("code", sorted(CREDENTIAL_CODES))
def test_a_refused_session_is_dropped_and_the_account_paused(server: AwsServer, code: str) -> None:
    """The next call is refused without asking anybody; after the pause the role is assumed anew."""
    server.answers["DescribeLogGroups"] = lambda request: refusal(code)
    case = Case(server)
    assert case.code() == code
    before = case.sent()
    assert case.code() == "CredentialsUnavailable"
    assert case.code(scope(name="another-object")) == "CredentialsUnavailable"
    assert case.sent() == before
    case.time.advance(FIRST_PAUSE)
    del server.answers["DescribeLogGroups"]
    case.call()
    assert server.count("AssumeRole") == 2
    assert server.of("DescribeLogGroups")[-1].key == key_of("team-a.digits", 2)


def test_the_pause_doubles_up_to_five_minutes(server: AwsServer) -> None:
    """One question at the end of each pause, none before."""
    server.answers["AssumeRole"] = lambda request: xml_refusal("InvalidClientTokenId")
    case = Case(server)
    for length in (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0):
        before = case.sent()
        assert case.code() == "InvalidClientTokenId"
        assert case.sent() == before + 1
        case.time.advance(length - 0.5)
        assert case.code() == "CredentialsUnavailable"
        assert case.sent() == before + 1
        case.time.advance(0.5)
    assert (FIRST_PAUSE, LONGEST_PAUSE) == (5.0, 300.0)


def test_a_success_ends_the_doubling(server: AwsServer) -> None:
    """The next trouble starts with the shortest pause."""
    server.answers["DescribeLogGroups"] = lambda request: refusal("ExpiredTokenException")
    case = Case(server)
    case.code()
    case.time.advance(FIRST_PAUSE)
    case.code()
    case.time.advance(2 * FIRST_PAUSE)
    del server.answers["DescribeLogGroups"]
    case.call()
    server.answers["DescribeLogGroups"] = lambda request: refusal("ExpiredTokenException")
    case.code()
    case.time.advance(FIRST_PAUSE)
    assert case.code() == "ExpiredTokenException"


def test_another_account_or_region_is_not_paused(server: AwsServer) -> None:
    """One tenant's broken trust is no reason to stop another's work."""
    server.answers["DescribeLogGroups"] = lambda request: (
        refusal("ExpiredTokenException") if request.key == key_of("team-a.digits") else Response()
    )
    case = Case(server)
    case.code()
    case.call(scope(region="us-east-1", name="elsewhere"))
    server.account = "444455556666"
    case.call(scope(account="444455556666", role_arn="arn:aws:iam::444455556666:role/b", name="theirs"))
    assert case.code() == "CredentialsUnavailable"


@pytest.mark.parametrize("code", ["AccessDeniedException", "ThrottlingException", "ResourceNotFoundException"])
def test_another_refusal_pauses_nobody(server: AwsServer, code: str) -> None:
    """The session was good; it is kept."""
    server.answers["DescribeLogGroups"] = lambda request: refusal(code)
    case = Case(server)
    for _ in range(2):
        with pytest.raises(AwsFailure) as caught:
            case.call()
        assert caught.value.code == code
    assert (server.count("DescribeLogGroups"), server.count("AssumeRole")) == (2, 1)


def test_the_message_says_which_account_and_when(server: AwsServer) -> None:
    """It is what people read in the status of a thousand objects."""
    server.answers["AssumeRole"] = lambda request: xml_refusal("ExpiredToken")
    case = Case(server)
    case.code()
    with pytest.raises(AwsFailure, match=f"account {ACCOUNT} were refused; the next attempt is in 5 s"):
        case.call()


def test_an_operator_without_credentials_says_so(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blocked with what to do, and paused: nobody looks for credentials a thousand times."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    case = Case(server)
    with pytest.raises(AwsFailure, match="give its service account a role") as caught:
        case.call()
    assert (caught.value.category, caught.value.code, caught.value.ambiguous) == (Category.BLOCKED, "CredentialsUnavailable", False)
    with pytest.raises(AwsFailure, match="the next attempt is in 5 s"):
        case.call()
    assert case.sent() == 0


def test_a_base_call_is_the_operators_own(server: AwsServer) -> None:
    """No role is assumed for the event queue, and a tenant's pause does not hold it up."""
    server.answers["AssumeRole"] = lambda request: xml_refusal("ExpiredToken")
    case = Case(server)
    case.code()
    asyncio.run(case.clients.base_call("eu-west-1", "logs", "DescribeLogGroups", {}))
    (sent,) = server.of("DescribeLogGroups")
    assert (sent.key, sent.token) == (OPERATOR_KEY, "")


def test_a_base_call_raises_classified(server: AwsServer) -> None:
    """As any other call."""
    server.answers["DescribeLogGroups"] = lambda request: refusal("ThrottlingException")
    with pytest.raises(AwsFailure) as caught:
        asyncio.run(Case(server).clients.base_call("eu-west-1", "logs", "DescribeLogGroups", {}))
    assert caught.value.category is Category.THROTTLED


def test_a_base_call_that_nobody_waits_for_harms_nobody(server: AwsServer) -> None:
    """A long poll ends after its waiter was cancelled: the answer is dropped without a complaint, and the loop goes on."""
    case, cancelled, complaints = Case(server), threading.Event(), list[Any]()

    def late(request: Request) -> Response:
        cancelled.wait(5)
        return Response()

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
        server.answers["ReceiveMessage"] = late
        request = {"QueueUrl": "https://sqs.eu-west-1.amazonaws.com/111122223333/events"}
        waiting = asyncio.create_task(case.clients.base_call("eu-west-1", "sqs", "ReceiveMessage", request))
        await asyncio.sleep(0)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        cancelled.set()
        while any(thread.name == "aws-ReceiveMessage" for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
        await case.clients.base_call("eu-west-1", "logs", "DescribeLogGroups", {})

    asyncio.run(main())
    assert complaints == []


def test_refusals_of_one_moment_pause_once(server: AwsServer) -> None:
    """Twelve calls under way when the session was revoked: the first pause, not the longest."""
    together = threading.Barrier(12)

    def refuse(request: Request) -> Response:
        together.wait(10)
        return refusal("ExpiredTokenException")

    server.answers["DescribeLogGroups"] = refuse
    case = Case(server)

    async def all_at_once() -> None:
        calls = (case.clients.call(scope(name=f"n{number}"), "logs", "DescribeLogGroups", {}) for number in range(12))
        await asyncio.gather(*calls, return_exceptions=True)

    asyncio.run(all_at_once())
    with pytest.raises(AwsFailure, match=f"in {FIRST_PAUSE:.0f} s"):
        case.call()


def test_a_base_call_that_fails_unexpectedly_is_told(server: AwsServer) -> None:
    """A wrong endpoint is a bug or a setting; a waiter that hangs for ever would tell nobody."""
    case = Case(server)
    case.clients.endpoint_url = "no url"
    with pytest.raises(ValueError, match="Invalid endpoint"):
        asyncio.run(case.clients.base_call("eu-west-1", "sqs", "ReceiveMessage", {"QueueUrl": "q"}))
