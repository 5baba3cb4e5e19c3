"""aws.credentials: when a role is assumed, for whom, and that a thread never signs as another one's tenant."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from botocore.credentials import ReadOnlyCredentials

from sagemaker_gitops.aws import credentials
from sagemaker_gitops.aws.credentials import SESSION_SECONDS, Sessions, ThreadCredentials
from tests.unit.aws.aws_adapter_fakes import ROLE, SCOPE, HandTime, scope

THREADS = 16


class FakeSts:
    """STS whose sessions last an hour."""

    def __init__(self, time: HandTime) -> None:
        self.time = time
        self.asked: list[dict[str, Any]] = []
        self.fail: list[Exception] = []

    def assume_role(self, **request: Any) -> dict[str, Any]:
        if self.fail:
            raise self.fail.pop(0)
        self.asked.append(request)
        number = len(self.asked)
        expires = self.time.now() + timedelta(seconds=request["DurationSeconds"])
        return {
            "Credentials": {
                "AccessKeyId": f"key-{number}",
                "SecretAccessKey": f"secret-{number}",
                "SessionToken": f"token-{number}",
                "Expiration": expires,
            }
        }


class Case:
    """Sessions over a fake STS at a time that stands still."""

    def __init__(self) -> None:
        self.time = HandTime()
        self.sts = FakeSts(self.time)
        self.sessions = Sessions(self.sts, self.time.now)


def test_a_role_is_assumed_once_for_one_object() -> None:
    """Every further call of the object uses the same session, secret and token included."""
    case = Case()
    first = case.sessions.get(SCOPE)
    assert first == ReadOnlyCredentials("key-1", "secret-1", "token-1")
    assert all(case.sessions.get(scope()) == first for _ in range(10))
    assert len(case.sts.asked) == 1


@pytest.mark.parametrize(
    "other",
    [
        scope(name="other"),
        scope(namespace="team-b"),
        scope(kind="ModelEndpoint"),
        scope(role_arn=f"{ROLE}-2"),
        scope(external_id="external-8"),
        scope(external_id=None),
        scope(account="999"),
        scope(region="us-east-1"),
    ],
)
def test_another_object_never_gets_the_session(other: Any) -> None:
    """Each member of the scope counts: the session's tags are what IAM decides by."""
    case = Case()
    assert case.sessions.get(SCOPE) != case.sessions.get(other)
    assert len(case.sts.asked) == 2


def test_the_session_is_tagged_with_the_object() -> None:
    """Namespace, kind and name; the role and external id of the tenant; an hour."""
    case = Case()
    case.sessions.get(SCOPE)
    (asked,) = case.sts.asked
    assert {item["Key"]: item["Value"] for item in asked["Tags"]} == {"namespace": "team-a", "kind": "TrainingRun", "name": "digits"}
    assert (asked["RoleArn"], asked["ExternalId"], asked["DurationSeconds"]) == (ROLE, "external-7", SESSION_SECONDS)
    assert asked["RoleSessionName"] == "team-a.digits"


def test_no_external_id_is_sent_as_none() -> None:
    """AWS refuses an empty one."""
    case = Case()
    case.sessions.get(scope(external_id=None))
    assert "ExternalId" not in case.sts.asked[0]


def test_a_long_name_is_cut_in_the_session_name_only() -> None:
    """64 characters are STS's limit; the tags hold the whole name."""
    case = Case()
    case.sessions.get(scope(name="n" * 100))
    (asked,) = case.sts.asked
    assert len(asked["RoleSessionName"]) == 64
    assert {"Key": "name", "Value": "n" * 100} in asked["Tags"]


@pytest.mark.parametrize(("left", "calls"), [(301, 1), (300, 2), (1, 2), (-1, 2)])
def test_a_session_is_renewed_five_minutes_before_its_end(left: int, calls: int) -> None:
    """A pass that begins now ends before the session does."""
    case = Case()
    case.sessions.get(SCOPE)
    case.time.advance(SESSION_SECONDS - left)
    assert case.sessions.get(SCOPE).access_key == f"key-{calls}"
    assert len(case.sts.asked) == calls


def test_a_dropped_session_is_assumed_anew() -> None:
    """Only that one; dropping what is not held is harmless."""
    case = Case()
    other = scope(name="other")
    case.sessions.get(SCOPE)
    case.sessions.get(other)
    case.sessions.drop(SCOPE)
    case.sessions.drop(SCOPE)
    assert case.sessions.get(SCOPE).access_key == "key-3"
    assert case.sessions.get(other).access_key == "key-2"


def test_a_refused_role_leaves_nothing_behind() -> None:
    """The next call asks again, and an older session is not prolonged."""
    case = Case()
    case.sessions.get(SCOPE)
    case.time.advance(SESSION_SECONDS)
    case.sts.fail.append(OSError("no route"))
    with pytest.raises(OSError, match="no route"):
        case.sessions.get(SCOPE)
    assert case.sessions.get(SCOPE).access_key == "key-2"


def test_the_number_of_sessions_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one used longest ago goes first."""
    monkeypatch.setattr(credentials, "CACHED_SESSIONS", 2)
    case = Case()
    one, two, three = (scope(name=name) for name in ("one", "two", "three"))
    for item in (one, two, one, three):
        case.sessions.get(item)
    assert case.sessions.get(one).access_key == "key-1"
    assert case.sessions.get(two).access_key == "key-4"


def test_each_thread_signs_with_its_own_session() -> None:
    """Sixteen threads set theirs, all wait for each other, then each reads its own back, several times over."""
    held = ThreadCredentials()
    barrier = threading.Barrier(THREADS, timeout=5)

    def work(number: int) -> set[str]:
        seen = set()
        for turn in range(5):
            mine = f"key-{number}-{turn}"
            held.use(ReadOnlyCredentials(mine, "s", "t"))
            barrier.wait()
            seen.add(held.get_frozen_credentials().access_key.removeprefix(mine))
            barrier.wait()
        return seen

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(seen == {""} for seen in pool.map(work, range(THREADS)))


def test_a_thread_without_a_session_signs_nothing() -> None:
    """It gets neither the operator's identity nor the last tenant's."""
    held = ThreadCredentials()
    held.use(ReadOnlyCredentials("mine", "s", "t"))
    with ThreadPoolExecutor(1) as pool, pytest.raises(AttributeError):
        pool.submit(held.get_frozen_credentials).result()


def test_threads_that_ask_at_once_share_no_session() -> None:
    """Sixteen threads over two objects: each gets a session of its own object."""
    time = HandTime()
    asked = threading.Barrier(THREADS, timeout=5)

    class Sts(FakeSts):
        def assume_role(self, **request: Any) -> dict[str, Any]:
            found = super().assume_role(**request)
            return {"Credentials": found["Credentials"] | {"AccessKeyId": request["RoleSessionName"]}}

    sessions = Sessions(Sts(time), time.now)
    scopes = [scope(name=f"object-{number % 2}") for number in range(THREADS)]

    def work(item: Any) -> bool:
        asked.wait()
        return all(sessions.get(item).access_key == f"team-a.{item.name}" for _ in range(50))

    with ThreadPoolExecutor(THREADS) as pool:
        assert all(pool.map(work, scopes))


def test_threads_of_one_object_assume_the_role_once() -> None:
    """They wait for the first of them: STS has quotas of its own."""
    time = HandTime()
    asked = threading.Barrier(THREADS, timeout=5)
    sts = FakeSts(time)
    sessions = Sessions(sts, time.now)

    def work(_: int) -> Any:
        asked.wait()
        return sessions.get(SCOPE)

    with ThreadPoolExecutor(THREADS) as pool:
        assert len(set(pool.map(work, range(THREADS)))) == 1
    assert len(sts.asked) == 1
