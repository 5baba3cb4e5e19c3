"""aws.limits: one paced queue per account, region and operation, which slows down when AWS asks and recovers slowly."""

from __future__ import annotations

import asyncio

import pytest

from sagemaker_gitops.aws.limits import (
    DEFAULT_RATE,
    GROWTH,
    GROWTH_INTERVAL,
    HALVING_INTERVAL,
    HEADROOM,
    LEAST,
    START_RATES,
    UNLIMITED,
    Bucket,
    Limits,
)
from tests.unit.aws.aws_adapter_fakes import HandTime

LIST: Bucket = ("1", "eu-west-1", "sagemaker:ListTrainingJobs")
CREATE: Bucket = ("1", "eu-west-1", "sagemaker:CreateModel")


def limits(time: HandTime, rate: float = 2.0) -> Limits:
    return Limits({"": rate}, monotonic=time.monotonic, sleep=time.sleep)


def waits(tested: Limits, bucket: Bucket, count: int) -> list[float]:
    """How long `count` calls wait, all asked for at the same moment."""

    async def main() -> list[float]:
        return list(await asyncio.gather(*(tested.acquire(bucket) for _ in range(count))))

    return asyncio.run(main())


async def frozen(seconds: float) -> None:
    """A sleep during which the clock stands still: what concurrent waiters see."""


def test_calls_at_one_moment_are_spread_by_the_rate() -> None:
    """The first goes at once, each further one 1/rate later."""
    time = HandTime()
    tested = Limits({"": 4.0}, monotonic=time.monotonic, sleep=frozen)
    assert waits(tested, CREATE, 4) == [0.0, 0.25, 0.5, 0.75]


def test_the_wait_is_slept() -> None:
    """What acquire returns is what it waited."""
    time = HandTime()
    tested = limits(time)
    assert waits(tested, CREATE, 1) == [0.0]
    assert waits(tested, CREATE, 1) == [0.5]
    assert time.pauses == [0.5]


def test_silence_saves_no_burst() -> None:
    """After an hour of rest the second call still waits."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    waits(tested, CREATE, 1)
    time.advance(3600)
    assert waits(tested, CREATE, 2) == [0.0, 0.5]


@pytest.mark.parametrize(
    "other", [("2", "eu-west-1", CREATE[2]), ("1", "us-east-1", CREATE[2]), ("1", "eu-west-1", "sagemaker:CreateEndpoint")]
)
def test_another_account_region_or_operation_has_its_own_bucket(other: Bucket) -> None:
    """One tenant's burst, or AWS's refusal of it, slows nobody else."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    waits(tested, CREATE, 5)
    tested.throttled(CREATE)
    assert tested.rate(other) == 2.0
    assert waits(tested, other, 1) == [0.0]


@pytest.mark.parametrize(
    ("operation", "rate"),
    [
        ("sagemaker:ListTrainingJobs", START_RATES["sagemaker:ListTrainingJobs"]),
        ("sagemaker:ListTags", START_RATES["sagemaker:List"]),
        ("glue:StartJobRun", START_RATES["glue:StartJobRun"]),
        ("glue:GetJobRuns", START_RATES["glue:"]),
        ("s3:HeadObject", START_RATES["s3:"]),
        ("sts:GetCallerIdentity", DEFAULT_RATE),
    ],
)
def test_the_longest_prefix_counts(operation: str, rate: float) -> None:
    """An operation's own rate before its service's, before the default."""
    assert Limits(monotonic=HandTime().monotonic).rate(("1", "r", operation)) == rate


def test_lists_take_a_quarter_of_what_the_account_has() -> None:
    """ListTrainingJobs has 2 requests a second for everybody in the account (performance.md 4.2)."""
    assert START_RATES["sagemaker:ListTrainingJobs"] <= 0.5
    assert START_RATES["sagemaker:ListProcessingJobs"] <= 0.5


def test_a_refusal_halves_the_rate_down_to_a_floor() -> None:
    """It never stops altogether: somebody has to find out that AWS answers again."""
    time = HandTime()
    tested = limits(time, rate=2.0)
    seen = []
    for _ in range(8):
        tested.throttled(LIST)
        seen.append(tested.rate(LIST))
        time.advance(HALVING_INTERVAL)
    assert seen[:4] == [1.0, 0.5, 0.25, 0.125]
    assert seen[4:] == [LEAST] * 4


def test_refusals_of_one_moment_count_once() -> None:
    """Sixteen calls under way when AWS has enough are one piece of news, not sixteen."""
    tested = limits(HandTime(), rate=2.0)
    for _ in range(16):
        tested.throttled(LIST)
    assert tested.rate(LIST) == 1.0


def test_a_rate_below_the_floor_is_not_raised_by_a_refusal() -> None:
    """The floor keeps calls going; it grants nothing."""
    tested = limits(HandTime(), rate=LEAST / 2)
    tested.throttled(LIST)
    assert tested.rate(LIST) == LEAST / 2


def test_a_refusal_delays_the_next_call() -> None:
    """The next token is one interval of the new rate away, not of the old one."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    tested.throttled(LIST)
    assert waits(tested, LIST, 2) == [1.0, 2.0]


def test_a_refusal_never_lets_waiters_pass_each_other() -> None:
    """A queue that is already longer than the new interval keeps its order."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    waits(tested, LIST, 10)
    tested.throttled(LIST)
    assert waits(tested, LIST, 1) == [5.0]


def test_the_rate_grows_back_one_step_each_interval() -> None:
    """A tenth at a time, and not before the interval has passed, however many calls there are."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    tested.throttled(LIST)
    time.advance(GROWTH_INTERVAL - 0.5)
    waits(tested, LIST, 3)
    assert tested.rate(LIST) == 1.0
    time.advance(0.5)
    waits(tested, LIST, 3)
    assert tested.rate(LIST) == pytest.approx(GROWTH)
    time.advance(GROWTH_INTERVAL)
    waits(tested, LIST, 3)
    assert tested.rate(LIST) == pytest.approx(GROWTH**2)


def test_a_refusal_starts_the_interval_anew() -> None:
    """No growth right after AWS said no, although the last growth is long ago."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    time.advance(1000)
    tested.throttled(LIST)
    waits(tested, LIST, 1)
    assert tested.rate(LIST) == 1.0


def busy(tested: Limits, time: HandTime, bucket: Bucket) -> None:
    """A queue that never empties, for long."""
    for _ in range(100):
        time.advance(GROWTH_INTERVAL)
        waits(tested, bucket, 3)


def test_the_rate_grows_beyond_its_start_while_calls_wait() -> None:
    """The start is a cautious guess (AWS publishes no number); the headroom bounds what we may take."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    busy(tested, time, CREATE)
    assert tested.rate(CREATE) == 2.0 * HEADROOM


def test_a_published_quota_is_never_exceeded() -> None:
    """ListTrainingJobs cannot be raised, and belongs to everybody in the account."""
    time = HandTime()
    tested = Limits({"": 0.5}, monotonic=time.monotonic, sleep=frozen)
    busy(tested, time, LIST)
    assert tested.rate(LIST) == 0.5


def test_an_idle_bucket_does_not_grow() -> None:
    """Nothing was learned about what AWS takes."""
    time = HandTime()
    tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=frozen)
    for _ in range(50):
        time.advance(GROWTH_INTERVAL)
        waits(tested, CREATE, 1)
    assert tested.rate(CREATE) == 2.0


def test_without_limits_nobody_waits() -> None:
    """A local AWS has none."""
    time = HandTime()
    tested = Limits(UNLIMITED, monotonic=time.monotonic, sleep=time.sleep)
    assert waits(tested, LIST, 100) == [0.0] * 100
    assert time.pauses == []


def test_a_refusal_where_no_limit_was_assumed_sets_one() -> None:
    """Half of infinity would be no answer to a throttle."""
    tested = Limits(UNLIMITED, monotonic=HandTime().monotonic)
    tested.throttled(LIST)
    assert tested.rate(LIST) == DEFAULT_RATE / 2


def test_a_waiter_that_is_cancelled_blocks_nobody() -> None:
    """Its token is lost, at most: those behind it come at their time, and no faster than the rate."""

    async def main() -> tuple[float, bool]:
        time = HandTime()
        gate = asyncio.Event()

        async def sleep(seconds: float) -> None:
            await gate.wait()

        tested = Limits({"": 2.0}, monotonic=time.monotonic, sleep=sleep)
        await tested.acquire(LIST)
        second, third = (asyncio.create_task(tested.acquire(LIST)) for _ in range(2))
        await asyncio.sleep(0)
        second.cancel()
        await asyncio.sleep(0)
        gate.set()
        return await third, second.cancelled()

    waited, cancelled = asyncio.run(main())
    assert cancelled
    assert 0.5 <= waited <= 1.0
