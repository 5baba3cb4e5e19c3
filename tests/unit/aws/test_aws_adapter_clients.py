"""aws.clients, one call: as whom it is signed, what an answer becomes, and what is counted."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from sagemaker_gitops.aws import clients as module
from sagemaker_gitops.aws.clients import BODY_LIMIT, CONFIG, Clients
from sagemaker_gitops.aws.limits import UNLIMITED, Limits
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.errors import AwsFailure, Category
from tests.unit.aws.aws_adapter_fakes import ACCOUNT, REGION, SCOPE, HandTime, scope
from tests.unit.aws.aws_adapter_server import LOST, OPERATOR_KEY, AwsServer, Request, Response, key_of, refusal, xml_refusal

THREADS = 16


@dataclass
class Counted:
    """clients.Recorder."""

    calls: list[tuple[str, str, float]] = field(default_factory=list)

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None:
        self.calls.append((operation, outcome, seconds))


class Case:
    """Clients against the tiny AWS, at a time that stands still."""

    def __init__(self, server: AwsServer, rates: Mapping[str, float] = UNLIMITED) -> None:
        self.server = server
        self.time = HandTime()
        server.expires = lambda: self.time.now().replace(year=2099)
        self.limits = Limits(rates, monotonic=self.time.monotonic, sleep=self.time.sleep)
        self.counted = Counted()
        self.clients = Clients(server.url, self.limits, self.counted, self.time.now, self.time.monotonic)

    def call(self, whose: Scope = SCOPE, operation: str = "DescribeLogGroups", service: str = "logs", **parameters: Any) -> dict[str, Any]:
        return asyncio.run(self.clients.call(whose, service, operation, parameters))

    def failure(self, whose: Scope = SCOPE, operation: str = "DescribeLogGroups", **more: Any) -> AwsFailure:
        with pytest.raises(AwsFailure) as caught:
            self.call(whose, operation, **more)
        return caught.value


def test_the_sdk_never_retries() -> None:
    """For no call: reads are repeated by the queue as well."""
    assert CONFIG.retries["total_max_attempts"] == 1


def test_the_operators_own_key_only_assumes_the_role(server: AwsServer) -> None:
    """Everything else carries the session of the object, its token and the tenant's region."""
    case = Case(server)
    case.call()
    case.call()
    assert [(request.action, request.key) for request in server.requests] == [
        ("AssumeRole", OPERATOR_KEY),
        ("GetCallerIdentity", key_of("team-a.digits")),
        ("DescribeLogGroups", key_of("team-a.digits")),
        ("DescribeLogGroups", key_of("team-a.digits")),
    ]
    assert {request.token for request in server.of("DescribeLogGroups")} == {"token-team-a.digits"}
    assert {request.region for request in server.requests} == {REGION}


def test_tags_and_external_id_arrive_at_sts(server: AwsServer) -> None:
    """As STS spells them."""
    Case(server).call()
    sent = server.of("AssumeRole")[0].fields
    tags = {sent[f"Tags.member.{number}.Key"]: sent[f"Tags.member.{number}.Value"] for number in (1, 2, 3)}
    assert tags == {"namespace": "team-a", "kind": "TrainingRun", "name": "digits"}
    assert (sent["ExternalId"], sent["RoleArn"]) == (SCOPE.external_id, SCOPE.role_arn)


def test_the_account_is_checked_once_for_each_role_and_region(server: AwsServer) -> None:
    """Not for each object, not for each call."""
    case = Case(server)
    for whose in (SCOPE, scope(name="other"), scope(region="us-east-1"), scope(role_arn=f"{SCOPE.role_arn}-2"), SCOPE):
        case.call(whose)
    assert [request.region for request in server.of("GetCallerIdentity")] == [REGION, "us-east-1", REGION]


def test_a_role_of_another_account_makes_no_call(server: AwsServer) -> None:
    """Neither the first time nor later; it is for a human, and both accounts are told."""
    server.account = "999999999999"
    case = Case(server)
    for _ in range(2):
        failure = case.failure()
        assert (failure.category, failure.code) == (Category.BLOCKED, "AccountMismatch")
        assert "999999999999" in failure.message
        assert ACCOUNT in failure.message
    assert (server.count("DescribeLogGroups"), server.count("GetCallerIdentity")) == (0, 1)


def test_sixteen_threads_of_two_tenants_are_never_mixed(server: AwsServer) -> None:
    """All requests are under way at once; each carries the key of the object whose name is in its body, turn after turn."""
    barrier = threading.Barrier(THREADS, timeout=5)

    def meet(request: Request) -> Response:
        barrier.wait()
        return Response()

    server.answers["CreateLogGroup"] = meet
    case = Case(server)
    scopes = [scope(name="one"), scope(name="two", namespace="team-b", role_arn=f"{SCOPE.role_arn}-2")]

    async def main() -> None:
        for whose in scopes:
            await case.clients.call(whose, "logs", "DescribeLogGroups", {})
        for turn in range(5):
            mine = [scopes[(number // (turn + 1)) % 2] for number in range(THREADS)]
            await asyncio.gather(*(case.clients.call(whose, "logs", "CreateLogGroup", {"logGroupName": whose.name}) for whose in mine))

    asyncio.run(main())
    sent = {(request.fields["logGroupName"], request.key, request.token) for request in server.of("CreateLogGroup")}
    assert sent == {
        ("one", key_of("team-a.one"), "token-team-a.one"),
        ("two", key_of("team-b.two"), "token-team-b.two"),
    }
    assert server.count("CreateLogGroup") == THREADS * 5


@pytest.mark.parametrize(
    ("answer", "category", "ambiguous"),
    [
        (refusal("ThrottlingException"), Category.THROTTLED, False),
        (refusal("AccessDeniedException"), Category.BLOCKED, False),
        (refusal("InternalFailure", 500), Category.TRANSIENT, True),
        (Response(502, b"<html>bad gateway</html>"), Category.TRANSIENT, True),
    ],
)
def test_an_error_answer_is_classified(server: AwsServer, answer: Response, category: Category, ambiguous: bool) -> None:
    """One request is sent and one outcome counted, whatever the answer."""
    server.answers["CreateLogGroup"] = lambda request: answer
    case = Case(server)
    failure = case.failure(operation="CreateLogGroup", logGroupName="g")
    assert (failure.category, failure.ambiguous) == (category, ambiguous)
    assert (failure.service, failure.operation) == ("logs", "CreateLogGroup")
    assert server.count("CreateLogGroup") == 1
    assert case.counted.calls == [("logs:CreateLogGroup", str(category), 0.0)]


def test_a_failure_carries_the_request_id(server: AwsServer) -> None:
    """What AWS support asks for first."""
    server.answers["DescribeLogGroups"] = lambda request: refusal("AccessDeniedException")
    assert Case(server).failure().request_id == "r-7"


def test_a_request_that_the_sdk_refuses_is_terminal(server: AwsServer) -> None:
    """Nothing was sent, so nothing is ambiguous."""
    failure = Case(server).failure(operation="CreateLogGroup")
    assert (failure.category, failure.code, failure.ambiguous) == (Category.TERMINAL, "ParamValidation", False)
    assert server.count("CreateLogGroup") == 0


def test_a_lost_answer_is_transient(server: AwsServer) -> None:
    """A mutation is ambiguous, a read is not; neither is sent again."""
    server.answers["CreateLogGroup"] = server.answers["DescribeLogGroups"] = lambda request: LOST
    case = Case(server)
    failure = case.failure(operation="CreateLogGroup", logGroupName="g")
    assert (failure.category, failure.code, failure.ambiguous) == (Category.TRANSIENT, "ConnectionClosedError", True)
    assert not case.failure().ambiguous
    assert (server.count("CreateLogGroup"), server.count("DescribeLogGroups")) == (1, 1)


def test_a_refused_role_is_a_failure_of_sts(server: AwsServer) -> None:
    """The tenant's trust policy, not the job's permissions."""
    server.answers["AssumeRole"] = lambda request: xml_refusal("AccessDenied")
    failure = Case(server).failure()
    assert (failure.service, failure.operation, failure.category) == ("sts", "AssumeRole", Category.BLOCKED)
    assert server.count("DescribeLogGroups") == 0


def test_an_answer_comes_without_the_sdks_metadata(server: AwsServer) -> None:
    """Only AWS's members."""
    server.answers["DescribeLogGroups"] = lambda request: Response(body=b'{"logGroups": [], "nextToken": "n"}')
    assert Case(server).call() == {"logGroups": [], "nextToken": "n"}


def test_a_streaming_body_comes_as_bytes(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read in the thread that signed the call; a body as large as the limit is whole."""
    monkeypatch.setattr(module, "BODY_LIMIT", 1000)
    server.answers["S3"] = lambda request: Response(body=b"x" * 1000)
    assert Case(server).call(service="s3", operation="GetObject", Bucket="b", Key="k")["Body"] == b"x" * 1000
    assert BODY_LIMIT == 64 * 1024 * 1024


def test_a_body_larger_than_the_limit_is_refused(server: AwsServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would fill the memory of every tenant's operator; asking again soon would not help."""
    monkeypatch.setattr(module, "BODY_LIMIT", 1000)
    server.answers["S3"] = lambda request: Response(body=b"x" * 1001)
    failure = Case(server).failure(service="s3", operation="GetObject", Bucket="b", Key="k")
    assert (failure.code, failure.category, failure.ambiguous) == ("BodyTooLarge", Category.BLOCKED, False)
    assert "larger than 1000 bytes" in failure.message


def test_a_body_that_is_cut_off_is_no_answer(server: AwsServer) -> None:
    """Half a source archive, or half an evaluation, must not be taken for the whole."""
    server.answers["S3"] = lambda request: Response(body=b"short", length=1000)
    failure = Case(server).failure(service="s3", operation="GetObject", Bucket="b", Key="k")
    assert failure.category is Category.TRANSIENT


def test_a_web_page_is_no_answer(server: AwsServer) -> None:
    """A proxy's page with status 200: whether the run was started is open."""
    server.answers["StartJobRun"] = lambda request: Response(body=b"<html>Sign in</html>", content_type="text/html; charset=utf-8")
    failure = Case(server).failure(service="glue", operation="StartJobRun", JobName="j")
    assert (failure.category, failure.ambiguous) == (Category.TRANSIENT, True)
    assert "proxy" in failure.message


def test_an_answer_of_sts_that_cannot_be_read_is_transient(server: AwsServer) -> None:
    """Not a bug of ours, and not the end of the pass's explanation."""
    server.answers["AssumeRole"] = lambda request: Response(body=b"<html><p>Sign in</html>")
    failure = Case(server).failure()
    assert (failure.operation, failure.category) == ("AssumeRole", Category.TRANSIENT)


def test_a_throttled_call_slows_its_own_bucket(server: AwsServer) -> None:
    """Account, region and operation; neighbours keep their rate."""
    server.answers["DescribeLogGroups"] = lambda request: refusal("ThrottlingException")
    case = Case(server, {"": 8.0})
    case.failure()
    assert case.limits.rate((ACCOUNT, REGION, "logs:DescribeLogGroups")) == 4.0
    assert case.limits.rate((ACCOUNT, REGION, "logs:CreateLogGroup")) == 8.0
    assert case.limits.rate((ACCOUNT, "us-east-1", "logs:DescribeLogGroups")) == 8.0


def test_only_a_throttle_slows_the_bucket(server: AwsServer) -> None:
    """A denial says nothing about the rate."""
    server.answers["DescribeLogGroups"] = lambda request: refusal("AccessDeniedException")
    case = Case(server, {"": 8.0})
    case.failure()
    assert case.limits.rate((ACCOUNT, REGION, "logs:DescribeLogGroups")) == 8.0


def test_calls_wait_for_their_token_and_the_wait_is_not_counted(server: AwsServer) -> None:
    """The recorder measures AWS, not our own patience."""
    case = Case(server, {"": 0.5})
    case.call()
    case.call()
    assert case.time.pauses == [2.0]
    assert case.counted.calls == [("logs:DescribeLogGroups", "OK", 0.0)] * 2
