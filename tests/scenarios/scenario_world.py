"""From a scenario to what plan() takes: names of jobs are computed as the observer does, by walking the run from fact to fact."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core.budget import Spend
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.training_run.champion import endpoint_name, reevaluation, serving, variant_name
from sagemaker_gitops.core.kinds.training_run.deletion import plan_deletion
from sagemaker_gitops.core.kinds.training_run.evaluation import flatten
from sagemaker_gitops.core.kinds.training_run.facts import (
    Absent,
    Active,
    Champion,
    ChampionFact,
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
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION, input_uris, walk
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.situation import Pass, build_run
from sagemaker_gitops.core.kinds.training_run.status import recorded_facts, recorded_steps
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import FINALIZER, GROUP, REPOSITORY, REVISION, Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound, Unbound
from tests.scenarios.scenario_files import BASES, EvaluationBlock, FactBlock, Given, Scenario, merged

KEY = Key("TrainingRun", "team-a", "digits")
SETTINGS = Settings(install="test")


def planned(scenario: Scenario) -> tuple[Snapshot, Plan]:
    """The object as the pass under test found it, and what the pass decided."""
    status: Mapping[str, Any] = {}
    finalizer = False
    for earlier in scenario.earlier:
        snapshot = _snapshot(earlier.given, status, finalizer)
        made = _plan(earlier.given, snapshot, earlier.at)
        status, finalizer = made.status, made.finalizer
    snapshot = _snapshot(scenario.given, status, finalizer)
    return snapshot, _plan(scenario.given, snapshot, scenario.now)


def _snapshot(given: Given, status: Mapping[str, Any], finalizer: bool) -> Snapshot:
    held = finalizer if given.finalizer is None else given.finalizer
    return Snapshot(
        key=KEY,
        uid="uid",
        resource_version="1",
        generation=given.generation,
        deleting=given.deleting,
        finalizers=(FINALIZER,) if held else (),
        annotations={f"{GROUP}/{name}": value for name, value in given.annotations.items()},
        spec=given.whole_spec,
        status=merged(status, given.status),
    )


def _plan(given: Given, snapshot: Snapshot, now: datetime) -> Plan:
    if given.deleting:
        policy = snapshot.spec.get("deletionPolicy")
        known = policy if policy in ("Delete", "Retain") else None
        return plan_deletion(snapshot, known, _leftovers(given, snapshot), SETTINGS, now)
    spec = read(TrainingRunSpec, snapshot.spec)
    return plan(snapshot, spec, _facts(given, snapshot, spec, now), SETTINGS, now)


def _facts(given: Given, snapshot: Snapshot, spec: TrainingRunSpec, now: datetime) -> TrainingRunFacts:
    if len(given.tenants) != 1:
        return TrainingRunFacts(Unbound(given.tenants))
    facts = TrainingRunFacts(
        binding=Bound(given.tenants[0], read(TenantSpec, merged(BASES["tenant"], given.tenant))),
        source=_source(given, snapshot, spec),
        inputs=_inputs(given, spec),
        leftovers=_leftovers(given, snapshot),
        evaluation=_evaluation(given.evaluation),
        champion=_champion(given, spec),
        champion_evaluation=_evaluation(given.champion_evaluation),
        group_exists=given.group_exists,
        registered=_package(given.registered, spec),
        request_findings=tuple(Finding(path, message) for path, message in given.request_findings),
        slot=Slot(given.slot.ahead, given.slot.limit) if given.slot else Slot(0, 0),
        spend=Spend(Decimal(given.spend), as_of="2026-11-21") if given.spend else None,
    )
    return _with_jobs(given, Pass(snapshot, spec, facts, SETTINGS, now))


def _source(given: Given, snapshot: Snapshot, spec: TrainingRunSpec) -> Source | Missing | Refused:
    if given.source_refused is not None:
        return Refused(given.source_refused.what, given.source_refused.message)
    if given.source_missing is not None:
        return Missing(given.source_missing.what, given.source_missing.message)
    files = merged(BASES["source"], given.source) if spec.source is not None else {}
    revision, repository = (snapshot.annotations.get(name, "") for name in (REVISION, REPOSITORY))
    return Source({name: text.encode() for name, text in files.items()}, revision, repository)


def _inputs(given: Given, spec: TrainingRunSpec) -> Mapping[str, InputVersion] | Missing:
    if given.input_missing is not None:
        return Missing(given.input_missing.what, given.input_missing.message)
    held = BASES["inputs"] | {name: block.model_dump() for name, block in given.inputs.items()}
    return {name: InputVersion(uri, **held[name]) for name, uri in input_uris(spec).items()}


def _evaluation(block: EvaluationBlock | None) -> Evaluation | None:
    return Evaluation(flatten(block.document), block.problem) if block is not None else None


def _champion(given: Given, spec: TrainingRunSpec) -> ChampionFact:
    """As aws/kinds/evidence.py finds it; the numbers of a registered champion are the block's."""
    block, name = given.champion, endpoint_name(spec)
    if name is None:
        package = _package(block, spec)
        label = f"{package.group}/{package.version}" if package else ""
        return Champion(label, package.arn, block.artifact, package.metrics) if package and block else NoChampion()
    endpoint = None
    if block is not None:
        assert block.endpoint is not None, "the gates name a ModelEndpoint: give its status"
        key = Key("ModelEndpoint", KEY.namespace, name)
        endpoint = Snapshot(key, "uid", "1", 1, False, (), {}, {}, {}, block.endpoint)
    found = serving(name, variant_name(spec), endpoint)
    return replace(found, metrics=block.metrics) if isinstance(found, Champion) and block and found.package_arn else found


def _package(block: Any, spec: TrainingRunSpec) -> Package | None:
    if block is None:
        return None
    assert spec.register_ is not None, "a package belongs to register.group"
    group = spec.register_.group
    arn = f"arn:aws:sagemaker:eu-central-1:123456789012:model-package/{group}/{block.version}"
    return Package(arn, group, block.version, block.approval, block.metrics)


def _leftovers(given: Given, snapshot: Snapshot) -> dict[str, Leftover]:
    """`@train` is the name that the status recorded for that step, everything else is a name."""
    names = {f"@{step}": recorded.aws_name for step, recorded in recorded_steps(snapshot.status).items()}
    return {
        names[name] if name.startswith("@") else name: Leftover(JobType(left.type), fact_of(left.fact), left.attempted)
        for name, left in given.leftovers.items()
    }


def _with_jobs(given: Given, here: Pass) -> TrainingRunFacts:
    """Facts by the names of the attempts: what the scenario says, else what status proves, else nothing was looked at.

    AssertionError when a given fact belongs to an attempt that the run never comes to.
    """
    facts = here.facts
    try:
        run = build_run(here)
    except (AssertionError, InvalidResource):
        assert not given.jobs, "without source, inputs and a Tenant no job has a name"
        return facts
    jobs: dict[str, JobFact] = {}
    asked: dict[str, int] = {}
    recorded, proven = recorded_steps(here.snapshot.status), recorded_facts(here.snapshot.status)
    told: dict[str, tuple[FactBlock, ...]] = {str(step): known for step, known in given.jobs.items()}
    progress = walk(run, jobs, recorded)
    while progress.needs is not None:
        attempt = progress.needs
        known = told.get(attempt.step.name, ())
        fact = fact_of(known[attempt.number - 1]) if attempt.number <= len(known) else proven.get(attempt.aws_name, Unseen())
        if isinstance(fact, Succeeded) and not fact.outputs:
            fact = replace(fact, outputs=job_outputs(run, attempt))
        asked[attempt.step.name] = attempt.number
        jobs[attempt.aws_name] = fact
        progress = walk(run, jobs, recorded)
    found = reevaluation(run, progress, facts.champion, jobs, recorded)
    if found is not None and progress.current is None:
        attempt, known = found[0], told.get(EVALUATE_CHAMPION, ())
        fact = fact_of(known[0]) if known else proven.get(attempt.aws_name, Unseen())
        if isinstance(fact, Succeeded) and not fact.outputs:
            fact = replace(fact, outputs=job_outputs(run, attempt))
        jobs[attempt.aws_name] = fact
        asked[EVALUATE_CHAMPION] = 1
    unasked = {step: len(known) for step, known in given.jobs.items() if asked.get(step, 0) < len(known)}
    assert not unasked, f"the run never comes to these attempts: {unasked}"
    return replace(facts, jobs=jobs)


def fact_of(block: FactBlock) -> JobFact:
    """The fact that a block of YAML stands for."""
    match block.kind:
        case "absent":
            return Absent()
        case "unstarted":
            assert block.created is not None, "unstarted needs created"
            return Unstarted(block.created)
        case "active":
            return Active(block.run_id, block.started, block.stopping)
        case "succeeded":
            return Succeeded(block.outputs, block.metrics, block.run_id, block.started, block.finished, block.image_digest)
        case "failed":
            return Failed(FailureClass(block.error), block.reason, block.log, block.run_id, block.started, block.finished)
        case "foreign":
            return Foreign(block.owner)
        case "unknown":
            return Unknown(block.raw)
        case _:
            return Unseen()
