"""Generated worlds for properties of the plan: a spec, an object with a history, and facts that an observer could have seen.

Specs are put together from parts that parse; facts are found by walking the run, as aws/kinds/training_run.py does.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.training_run.champion import reevaluation
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Champion,
    ChampionFact,
    ChampionPending,
    Evaluation,
    Failed,
    FailureClass,
    Foreign,
    InputVersion,
    JobFact,
    JobType,
    Leftover,
    Missing,
    NoChampion,
    NoSuchVariant,
    Package,
    Refused,
    Slot,
    Source,
    Succeeded,
    TrainingRunFacts,
    Unknown,
    Unseen,
    Unstarted,
)
from sagemaker_gitops.core.kinds.training_run.plan import plan
from sagemaker_gitops.core.kinds.training_run.requests import job_outputs
from sagemaker_gitops.core.kinds.training_run.run import Attempt, Progress, Run, input_uris, steps_of, walk
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.situation import Pass, build_run
from sagemaker_gitops.core.kinds.training_run.status import recorded_active, recorded_steps
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import FINALIZER, RERUN, Key, Snapshot
from sagemaker_gitops.core.tenancy import Binding, Unbound
from tests.tenants import ACCOUNT, bound

IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/train:1"
NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
SETTINGS = Settings(install="test")
KEY = Key("TrainingRun", "team-a", "digits")
FILES = {"normalise.py": b"1", "train.py": b"2", "evaluate.py": b"3", "shared.py": b"4"}

BOUND = bound(limits={"maxRuntime": "24h", "maxInstanceCount": 4})
TENANT = BOUND.spec


@dataclass(frozen=True, slots=True)
class World:
    """What one pass sees."""

    snapshot: Snapshot
    spec: TrainingRunSpec
    facts: TrainingRunFacts
    now: datetime = NOW

    def plan(self) -> Plan:
        return plan(self.snapshot, self.spec, self.facts, SETTINGS, self.now)

    def run(self) -> Run | None:
        """The run, when the facts go far enough for one."""
        try:
            return build_run(Pass(self.snapshot, self.spec, self.facts, SETTINGS, self.now))
        except (AssertionError, InvalidResource):
            return None

    def second(self) -> tuple[Attempt, JobFact | None] | None:
        """The champion's evaluation, when the run has come to it."""
        run, progress = self.run(), self.progress()
        if run is None or progress is None:
            return None
        return reevaluation(run, progress, self.facts.champion, self.facts.jobs, recorded_steps(self.snapshot.status))

    def progress(self) -> Progress | None:
        run = self.run()
        return walk(run, self.facts.jobs, recorded_steps(self.snapshot.status)) if run else None


def _optional(**parts: Any) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=parts)


def _gates(metric: str) -> st.SearchStrategy[list[dict[str, Any]]]:
    value = st.fixed_dictionaries(
        {"metric": st.just(metric), "operator": st.sampled_from([">=", ">", "<=", "<"]), "value": st.sampled_from([0, 0.5, 0.95, 1])}
    )
    champion = st.fixed_dictionaries(
        {"metric": st.just(metric), "champion": st.fixed_dictionaries({"goal": st.sampled_from(["Maximize", "Minimize"])})}
    )
    return st.lists(st.one_of(value, champion), max_size=3)


def _train(draw: st.DrawFn, channel: str) -> dict[str, Any]:
    return {
        "image": IMAGE,
        "channels": [channel],
        "hyperparameters": {"depth": draw(st.integers(0, 3))},
        "metrics": [{"name": "accuracy", "regex": "acc=([0-9.]+)"}],
    } | draw(
        _optional(
            entryPoint=st.just("train.py"),
            maxRuntime=st.sampled_from(["1h", "45s", "24h", "48h"]),
            resources=_optional(
                instanceType=st.sampled_from(["ml.m5.large", "ml.p4d.24xlarge"]),
                instanceCount=st.integers(1, 5),
                volumeSizeInGB=st.just(50),
            ),
            retry=st.fixed_dictionaries(
                {"maxAttempts": st.integers(1, 3), "onErrors": st.sampled_from([["CapacityError"], ["CapacityError", "SpotInterruption"]])}
            ),
        )
    )


@st.composite
def specs(draw: st.DrawFn) -> dict[str, Any]:
    """A spec as a user writes it; it parses, and now and then asks for what the Tenant does not allow."""
    spec: dict[str, Any] = {
        "source": {"configMapRef": {"name": "digits-code"}},
        "inputs": [{"name": "raw", "s3Uri": draw(st.sampled_from(["s3://team-a-ml/raw/"] * 9 + ["s3://team-b-ml/raw/"]))}],
    }
    outputs = ["train", "test"]
    prepared = draw(st.sampled_from(["glue", "processing", ""]))
    if prepared == "glue":
        spec["prepare"] = {"glue": {"script": "normalise.py", "outputs": outputs}}
    elif prepared:
        spec["prepare"] = {"processing": {"image": IMAGE, "entryPoint": "normalise.py", "outputs": outputs}}
    channel = "train" if prepared else "raw"
    spec["train"] = _train(draw, channel)
    if draw(st.booleans()):
        spec["evaluate"] = {"processing": {"image": IMAGE, "entryPoint": "evaluate.py", "channels": ["test" if prepared else "raw"]}}
    spec["gates"] = draw(_gates("accuracy"))
    rivals = [gate["champion"] for gate in spec["gates"] if "champion" in gate]
    endpoint = draw(st.booleans())
    for rival in rivals:
        rival |= {"endpointRef": {"name": "digits"}} if endpoint else {}
        rival |= {"reevaluate": draw(st.booleans())} if "evaluate" in spec else {}
    if (rivals and not endpoint) or draw(st.booleans()):
        spec["register"] = {"group": "digits"} | draw(_optional(approval=st.sampled_from(["Auto", "Manual"])))
    return spec | draw(
        _optional(
            concurrencyPolicy=st.sampled_from(["Replace", "Queue", "Forbid"]),
            suspend=st.sampled_from([False, False, False, True]),
            historyLimit=st.integers(1, 3),
            tags=st.just({"project": "digits"}),
            overrides=st.just({"createTrainingJob": {"RetryStrategy": {"MaximumRetryAttempts": 2}}}),
        )
    )


TEXT = st.sampled_from(["", "no capacity", "two\nlines\tand a tab", "exit code: 137", "ü" * 2000, "x" * 5000, "\x1b[31mred"])
LOG: st.SearchStrategy[tuple[str, ...]] = st.sampled_from([(), ("a line",), ("ü" * 400,) * 40, ("", "  ", "x" * 300)])
BUSY: st.SearchStrategy[JobFact] = st.one_of(
    st.builds(Active, run_id=st.sampled_from(["", "jr_1"]), stopping=st.booleans()), st.builds(Unknown, st.just("Hibernating"))
)
FAILED: st.SearchStrategy[JobFact] = st.builds(Failed, st.sampled_from(FailureClass), TEXT, LOG, finished=st.sampled_from([None, NOW]))
SUCCEEDED: st.SearchStrategy[JobFact] = st.builds(
    Succeeded, metrics=st.dictionaries(st.just("accuracy"), st.floats()), started=st.sampled_from([None, NOW])
)
ANY_FACT: st.SearchStrategy[JobFact] = st.one_of(
    SUCCEEDED,
    SUCCEEDED,
    SUCCEEDED,
    FAILED,
    BUSY,
    st.just(Unseen()),
    st.just(Absent()),
    st.builds(Foreign, st.just("somebody else")),
)
CHAMPIONS: st.SearchStrategy[ChampionFact] = st.one_of(
    st.just(NoChampion()),
    st.just(ChampionPending("nobody has looked")),
    st.just(NoSuchVariant("there is no such variant")),
    st.builds(
        Champion,
        st.just("digits/7"),
        st.sampled_from(["arn:aws:x", "arn:aws:x", ""]),
        st.sampled_from(["s3://team-a-ml/champion/model.tar.gz", "s3://team-a-ml/other/model.tar.gz", "s3://elsewhere/model.tar.gz", ""]),
        st.dictionaries(st.sampled_from(["accuracy", "recall"]), st.floats()),
    ),
)
METRICS = st.dictionaries(st.sampled_from(["accuracy", "recall"]), st.floats())


def _job_facts(draw: st.DrawFn, world: World) -> Mapping[str, JobFact]:
    """A fact for every attempt that the walk asks for, once each."""
    run = world.run()
    jobs: dict[str, JobFact] = {}
    if run is None:
        return jobs
    recorded = recorded_steps(world.snapshot.status)
    progress = walk(run, jobs, recorded)
    while progress.needs is not None:
        attempt = progress.needs
        glue = attempt.step.type is JobType.GLUE_JOB
        fact = draw(st.one_of(ANY_FACT, st.just(Unstarted(NOW - timedelta(seconds=60)))) if glue else ANY_FACT)
        jobs[attempt.aws_name] = replace(fact, outputs=job_outputs(run, attempt)) if isinstance(fact, Succeeded) else fact
        progress = walk(run, jobs, recorded)
    while (second := reevaluation(run, progress, world.facts.champion, jobs, recorded)) is not None and second[1] is None:
        jobs[second[0].aws_name] = draw(ANY_FACT)
    return jobs


def _leftovers(draw: st.DrawFn, world: World) -> dict[str, Leftover]:
    """Facts for what status remembers and the run does not name, and now and then a job that AWS's lists show besides."""
    progress = world.progress()
    if progress is None:
        return {}
    second = world.second()
    named = {attempt.aws_name for attempt, _ in (*progress.done, *(due for due in (progress.current, second) if due is not None))}
    found = {
        name: Leftover(type_, draw(st.one_of(BUSY, FAILED, st.just(Absent()))), attempted)
        for name, (type_, _, attempted) in recorded_active(world.snapshot.status).items()
        if name not in named
    }
    if draw(st.sampled_from([False, False, False, True])):
        found["team-a-digits-train-listed"] = Leftover(JobType.TRAINING_JOB, draw(BUSY))
    return found


@st.composite
def facts_of(draw: st.DrawFn, snapshot: Snapshot, spec: TrainingRunSpec, now: datetime) -> TrainingRunFacts:
    """Everything that one pass over `snapshot` may have seen."""
    bindings: list[Binding] = [*[BOUND] * 18, Unbound(), Unbound(("team-a", "team-b"))]
    facts = TrainingRunFacts(draw(st.sampled_from(bindings)))
    missing = draw(st.sampled_from([*[""] * 7, "source", "refused", "file", "input", "request"]))
    files = {name: text for name, text in FILES.items() if missing != "file" or name != "evaluate.py"}
    source: Source | Missing | Refused = Source(files, draw(st.sampled_from(["", "4f2c9e1"])))
    if missing in ("source", "refused"):
        source = Missing("ConfigMap", "is not there") if missing == "source" else Refused("archive", "has another digest")
    inputs = {name: InputVersion(uri, "digest", 1, 10) for name, uri in input_uris(spec).items()}
    facts = replace(facts, source=source, inputs=Missing("input", "is not there") if missing == "input" else inputs)
    if missing == "request":
        return replace(facts, request_findings=(Finding("train", "is wrong"),))
    facts = replace(facts, champion=draw(CHAMPIONS))
    facts = replace(facts, jobs=_job_facts(draw, World(snapshot, spec, facts, now)))
    facts = replace(facts, leftovers=_leftovers(draw, World(snapshot, spec, facts, now)))
    if spec.register_ is not None:
        package = st.builds(Package, st.just("arn:aws:x"), st.just("digits"), st.integers(1, 99), st.just("Approved"), METRICS)
        registered = draw(st.none() | package)
        facts = replace(facts, registered=registered, group_exists=draw(st.booleans()))
    evaluation, second = (draw(st.none() | st.builds(Evaluation, METRICS, TEXT)) for _ in range(2))
    return replace(facts, evaluation=evaluation, champion_evaluation=second, slot=Slot(draw(st.sampled_from([0, 0, 0, 0, 2])), 4))


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A world after up to two earlier passes over other versions of the spec."""
    status: Mapping[str, Any] = {}
    finalizers: tuple[str, ...] = ()
    earlier = draw(st.integers(0, 2))
    for index in range(earlier + 1):
        written = draw(specs())
        nonce = draw(st.sampled_from(["", "", "2", "n" * 200]))
        snapshot = Snapshot(
            key=KEY,
            uid="uid",
            resource_version=str(index),
            generation=index + 1,
            finalizers=finalizers,
            annotations={RERUN: nonce} if nonce else {},
            spec=written,
            status=status,
        )
        now = NOW + timedelta(seconds=draw(st.sampled_from([1, 200, 10_000])) * index)
        spec = read(TrainingRunSpec, written)
        world = World(snapshot, spec, draw(facts_of(snapshot, spec, now)), now)
        if index < earlier:
            made = world.plan()
            status, finalizers = made.status, (FINALIZER,) if made.finalizer else ()
    return world


def names_of(spec: dict[str, Any], **changed: Any) -> dict[str, str]:
    """Step -> AWS name of its first attempt when every step before it has succeeded. `changed` are fields of Run."""
    written = read(TrainingRunSpec, spec)
    inputs = {name: InputVersion(uri, "digest", 1, 10) for name, uri in input_uris(written).items()}
    facts = TrainingRunFacts(BOUND, Source(FILES), inputs)
    run = replace(build_run(Pass(Snapshot(KEY, "uid", "1", 1), written, facts, SETTINGS, NOW)), **changed)
    jobs: dict[str, JobFact] = {}
    progress = walk(run, jobs, {})
    while progress.needs is not None:
        jobs[progress.needs.aws_name] = Succeeded(job_outputs(run, progress.needs))
        progress = walk(run, jobs, {})
    assert len(progress.done) == len(steps_of(run))
    return {attempt.step.name: attempt.aws_name for attempt, _ in progress.done}
