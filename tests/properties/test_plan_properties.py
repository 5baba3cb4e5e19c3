"""What holds for every plan, whatever the spec, the history and AWS's answers: the promises that money and data depend on."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.status import SIZE_LIMIT, TrainingRunStatus, fitted
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.training_run.deletion import plan_deletion
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.facts import Active, Foreign, JobType, Leftover, Missing, Refused, Unknown
from sagemaker_gitops.core.kinds.training_run.registration import METRIC_PREFIX, create_package, metrics_in, package_metrics
from sagemaker_gitops.core.kinds.training_run.status import leftover_entries, recorded_active
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.merge_patch import merge_patch, pruned
from sagemaker_gitops.core.plan import After, Done, Plan
from sagemaker_gitops.core.resource import FINALIZER
from sagemaker_gitops.core.tenancy import Unbound
from tests.properties.plan_worlds import BOUND, BUSY, FAILED, NOW, SETTINGS, World, worlds

thorough = settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def _requests(made: Plan) -> list[AwsRequest]:
    return [action for action in made.actions if isinstance(action, AwsRequest)]


def _created_jobs(made: Plan) -> set[str]:
    """Names of the jobs that the plan starts."""
    return {request.subject for request in _requests(made) if request.creates and "Package" not in request.operation}


@thorough
@given(worlds())
def test_the_same_world_has_the_same_plan(world: World) -> None:
    """A crash between two steps is repaired by planning again, so planning again must say the same."""
    before = copy.deepcopy(world)
    assert world.plan() == world.plan() == before.plan()
    assert world == before, "planning changed what it was given"


@thorough
@given(worlds())
def test_nothing_is_created_twice_or_without_a_finalizer(world: World) -> None:
    """One create per thing and plan, at most one job, and never one that a deletion could not find."""
    made = world.plan()
    creates = [(request.operation, request.subject) for request in _requests(made) if request.creates]
    assert len(creates) == len(set(creates))
    assert len(_created_jobs(made)) <= 1
    assert made.finalizer or not made.creates
    assert made.finalizer or not world.snapshot.has_finalizer, "only a deletion gives the finalizer back"


@thorough
@given(worlds())
def test_what_is_created_is_remembered(world: World) -> None:
    """The status written before the call names every job that the call makes, and when it was tried."""
    made = world.plan()
    remembered = recorded_active(pruned(made.status))
    assert all(remembered[name][2] == world.now for name in _created_jobs(made))


@thorough
@given(worlds())
def test_what_may_still_run_is_not_forgotten(world: World) -> None:
    """A job of an earlier spec that runs, or may still arrive, stays in the status until it is seen to have ended."""
    made = world.plan()
    wanted = {item["awsName"] for item in leftover_entries(world.facts.leftovers, world.now, SETTINGS.create_quarantine)}
    known = recorded_active(world.snapshot.status).keys()
    assert wanted & known <= recorded_active(pruned(made.status)).keys()
    assert not (made.status.get("leftovers") and not isinstance(made.requeue, After)), "nothing would look at them again"


@thorough
@given(worlds())
def test_done_does_nothing_more(world: World) -> None:
    """A finished object is never polled, so nothing may be under way."""
    made = world.plan()
    if isinstance(made.requeue, Done):
        assert made.actions == ()
        assert made.status["phase"] == "Suspended" or not recorded_active(pruned(made.status))


@thorough
@given(worlds())
def test_the_api_server_keeps_every_word_of_the_status(world: World) -> None:
    """Within 64 KiB and within the bounds of every field, or the write is refused for ever."""
    status = world.plan().status
    assert len(json.dumps(status)) <= SIZE_LIMIT
    assert fitted(status) == status
    read(TrainingRunStatus, pruned(status))


@thorough
@given(worlds())
def test_conditions_are_as_kstatus_reads_them(world: World) -> None:
    """Exactly one Ready, never moving and stuck at once, each about this generation and with a reason."""
    status = world.plan().status
    conditions = {item["type"]: item for item in status["conditions"]}
    assert len(conditions) == len(status["conditions"])
    assert "Ready" in conditions
    true = {kind for kind, item in conditions.items() if item["status"] == "True"}
    assert not {"Reconciling", "Stalled"} <= true
    assert "Ready" not in true or not {"Reconciling", "Stalled"} & true
    assert {"Reconciling", "Stalled"} & conditions.keys() <= true, "abnormal conditions are there only while they are true"
    assert {item["observedGeneration"] for item in conditions.values()} == {status["observedGeneration"]} == {world.snapshot.generation}
    assert all(item["reason"] for item in conditions.values())


@thorough
@given(worlds())
def test_what_is_refused_touches_nothing(world: World) -> None:
    """No Tenant, something missing or a finding: no AWS action of any kind."""
    facts = world.facts
    refused = isinstance(facts.binding, Unbound) or bool(facts.request_findings) or isinstance(facts.source, Missing | Refused)
    if not refused and not isinstance(facts.inputs, Missing):
        refused = bool(tenancy.findings(BOUND.name, BOUND.spec, wanted_of(world.spec, effective_of(world.spec, BOUND.spec))))
    made = world.plan()
    assert not (refused or isinstance(facts.inputs, Missing)) or made.actions == ()


@thorough
@given(worlds(), BUSY)
def test_beside_what_runs_nothing_starts(world: World, busy: Active | Unknown) -> None:
    """A job that runs, or is in a state that nobody knows, or is not ours, never leads to a create; nor does one of an earlier spec."""
    progress = world.progress()
    due = (progress.current if progress else None) or world.second()
    current = due[1] if due else None
    made = world.plan()
    if isinstance(current, Active | Unknown | Foreign) or any(
        isinstance(left.fact, Active | Unknown) for left in world.facts.leftovers.values()
    ):
        assert not made.creates
    more = replace(world.facts, leftovers={"old": Leftover(JobType.TRAINING_JOB, busy)})
    assert not replace(world, facts=more).plan().creates


@thorough
@given(worlds())
def test_only_leftovers_are_stopped(world: World) -> None:
    """Outside a deletion nothing but a job of an earlier spec is stopped, and only when the policy is Replace."""
    stops = [request for request in _requests(world.plan()) if not request.creates]
    assert {request.subject for request in stops} <= world.facts.leftovers.keys()
    assert not stops or world.spec.concurrency_policy in (None, "Replace")
    assert not any(world.facts.leftovers[request.subject].fact == Active(stopping=True) for request in stops)


@thorough
@given(worlds())
def test_a_plan_that_does_nothing_says_nothing_new(world: World) -> None:
    """A second pass over the same facts writes no status: otherwise every write would wake the next pass."""
    made = world.plan()
    if made.creates:
        return
    finalizers = (FINALIZER,) if made.finalizer else ()
    again = replace(world, snapshot=replace(world.snapshot, status=made.status, finalizers=finalizers)).plan()
    assert merge_patch(made.status, again.status) == {}


@thorough
@given(worlds())
def test_the_registry_tells_the_numbers_back(world: World) -> None:
    """A champion's metrics are read from what a run once wrote: finite numbers, the same to ten digits."""
    run, progress = world.run(), world.progress()
    if run is None or progress is None or progress.current or progress.needs or run.spec.register_ is None:
        return
    metrics = package_metrics(run, world.facts.evaluation.metrics if world.facts.evaluation else {})
    metadata = create_package(run, progress, metrics).parameters["CustomerMetadataProperties"]
    assert len(metadata) <= 50
    assert metrics_in({**metadata, f"{METRIC_PREFIX}edited": "good"}) == {name: float(f"{value:.10g}") for name, value in metrics.items()}


@thorough
@given(worlds(), st.sampled_from([None, "Delete", "Retain"]), st.lists(st.one_of(BUSY, FAILED), max_size=2), st.booleans())
def test_deletion_lets_go_only_of_what_does_not_run(world: World, policy: str | None, facts: list[Active], held: bool) -> None:
    """Nothing is created, what runs holds the finalizer, and one look alone never lets go of something that was recorded."""
    jobs = {f"job-{index}": Leftover(JobType.TRAINING_JOB, fact) for index, fact in enumerate(facts)}
    snapshot = replace(world.snapshot, deleting=True, finalizers=(FINALIZER,) if held else (), status=world.plan().status)
    made = plan_deletion(snapshot, policy, jobs, SETTINGS, NOW)
    assert not made.creates
    if policy == "Retain" or not held:
        assert (made.actions, made.finalizer) == ((), False)
        return
    busy = {name for name, left in jobs.items() if isinstance(left.fact, Active | Unknown)}
    assert {request.subject for request in _requests(made)} <= busy
    assert made.finalizer or not jobs
    assert not busy or isinstance(made.requeue, After)


@thorough
@given(worlds(), st.lists(FAILED, min_size=1, max_size=2))
def test_deletion_comes_to_an_end(world: World, facts: list[Active]) -> None:
    """When nothing runs any more, the object goes after few looks, however its status came about."""
    jobs = {f"job-{index}": Leftover(JobType.TRAINING_JOB, fact, NOW) for index, fact in enumerate(facts)}
    snapshot, now = replace(world.snapshot, deleting=True, finalizers=(FINALIZER,), status=world.plan().status), world.now
    for _ in range(5):
        made = plan_deletion(snapshot, "Delete", jobs, SETTINGS, now)
        if not made.finalizer:
            return
        assert isinstance(made.requeue, After)
        snapshot, now = replace(snapshot, status=made.status), now + timedelta(seconds=made.requeue.seconds)
    raise AssertionError(f"still there at {now}: {snapshot.status}")
