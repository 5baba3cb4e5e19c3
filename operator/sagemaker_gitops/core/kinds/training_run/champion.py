"""The model to beat when it is one that serves: which one that is, whether it can be compared with, and its second evaluation.

Pure. A ModelEndpoint says in lastGood and history what each of its configs serves; the one that is live decides, never the wanted one
(decision 0006). `reevaluation` is used twice in a pass, like run.walk: by the observer and by the plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sagemaker_gitops.api.training_rules import champions
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.training_run.facts import Champion, ChampionFact, ChampionPending, JobFact, NoChampion, NoSuchVariant
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION, TRAIN, Attempt, Progress, Recorded, Run, champion_step, follow
from sagemaker_gitops.core.kinds.training_run.status import recorded_active
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.core.tenancy import Bound

# Phases of a ModelEndpoint in which AWS has an endpoint that answers.
ANSWERING = ("InService", "Updating", "SystemUpdating", "RollingBack", "RolledBack")


def endpoint_name(spec: TrainingRunSpec) -> str | None:
    """The ModelEndpoint whose live model is the champion; None when no gate names one."""
    return next((champion.endpoint_ref.name for champion in champions(spec) if champion.endpoint_ref), None)


def variant_name(spec: TrainingRunSpec) -> str | None:
    return next((champion.variant for champion in champions(spec) if champion.variant), None)


def reevaluates(spec: TrainingRunSpec) -> bool:
    return any(champion.reevaluate for champion in champions(spec))


def serving(name: str, variant: str | None, endpoint: Snapshot | None) -> ChampionFact:
    """What the live config of a ModelEndpoint serves, by its status; read defensively, because anybody may have edited that."""
    if endpoint is None:
        return NoChampion(f"there is no ModelEndpoint {name} to compare with")
    status = endpoint.status
    phase, last = status.get("phase"), status.get("lastGood")
    if not phase:
        return ChampionPending(f"ModelEndpoint {name} has not been looked at yet")
    live = status.get("liveConfig") or (last.get("config") if isinstance(last, Mapping) else None)
    records = [item for item in (last, *(status.get("history") or ())) if isinstance(item, Mapping)]
    record = next((item for item in records if live and item.get("config") == live), None)
    variants = [item for item in (record or {}).get("variants") or () if isinstance(item, Mapping) and item.get("name")]
    if not variants and not records and phase not in ANSWERING:
        return NoChampion(f"ModelEndpoint {name} serves nothing yet ({phase})")
    if not variants:
        return ChampionPending(f"ModelEndpoint {name} serves {live}, and its status does not say yet which models that are")
    chosen = next((item for item in variants if item["name"] == variant), None) if variant else _largest(variants, status)
    if chosen is None:
        names = ", ".join(str(item["name"]) for item in variants)
        return NoSuchVariant(f"ModelEndpoint {name} serves no variant {variant}, but {names}: name one of them, or leave variant out")
    model, package, artifact = (str(chosen.get(field) or "") for field in ("model", "packageArn", "artifact"))
    return Champion(model, package, artifact, variant=str(chosen["name"]))


def findings(spec: TrainingRunSpec, champion: ChampionFact, tenant: Bound) -> tuple[Finding, ...]:
    """Why the gates cannot be judged against this champion, with the field and the fix; empty when they can."""
    found: list[Finding] = []
    for index, gate in enumerate(spec.gates):
        if gate.champion is None:
            continue
        path = f"spec.gates[{index}].champion"
        if isinstance(champion, NoSuchVariant):
            found.append(Finding(f"{path}.variant", champion.message))
        elif isinstance(champion, Champion) and gate.champion.reevaluate and not champion.artifact:
            message = f"champion {champion.label} has no archive of its own to evaluate: leave reevaluate out, or use value"
            found.append(Finding(f"{path}.reevaluate", message))
        elif isinstance(champion, Champion) and gate.champion.reevaluate:
            found += tenancy.outside_prefixes(tenant.name, [(f"{path}.reevaluate", champion.artifact)], tenant.spec.allow.s3_prefixes)
        elif isinstance(champion, Champion) and not champion.package_arn:
            message = f"champion {champion.label} is no registered model, so nothing knows its numbers: set reevaluate: true"
            found.append(Finding(f"{path}.reevaluate", message))
    return tuple(found)


def unfit(snapshot: Snapshot, spec: TrainingRunSpec, champion: ChampionFact, tenant: Bound) -> tuple[Finding, ...]:
    """The findings while nothing of the run is under way: what runs goes on, and the gates refuse at the end if they still must."""
    return () if recorded_active(snapshot.status) else findings(spec, champion, tenant)


def is_own(run: Run, champion: ChampionFact, progress: Progress) -> bool:
    """Whether the run's own model serves already, as after a rebuild of the cluster: it need not beat itself.

    Of a group's packages the run's own is never the champion; another with the same archive was judged by another evaluation.
    """
    if not isinstance(champion, Champion) or endpoint_name(run.spec) is None:
        return False
    return bool(champion.artifact) and champion.artifact == progress.outputs.get("model")


def reevaluation(
    run: Run, progress: Progress, champion: ChampionFact, jobs: Mapping[str, JobFact], recorded: Mapping[str, Recorded]
) -> tuple[Attempt, JobFact | None] | None:
    """The champion's evaluation on this run's test data, and what is known of it; None while there is nothing to evaluate.

    What it consumes is what evaluate does, so the test data and the script are the same; the training is not part of its name.
    """
    if progress.current is not None or progress.needs is not None or not reevaluates(run.spec):
        return None
    if not isinstance(champion, Champion) or is_own(run, champion, progress) or findings(run.spec, champion, run.tenant):
        return None
    before = [attempt for attempt, _ in progress.done if attempt.step.name != TRAIN]
    return follow(run, champion_step(run, champion.artifact), before, jobs, recorded.get(EVALUATE_CHAMPION))


def _largest(variants: Sequence[Mapping[str, Any]], status: Mapping[str, Any]) -> Mapping[str, Any]:
    """The variant with the largest live share; the share it was settled with where AWS's is not known."""
    told = [item for item in status.get("variants") or () if isinstance(item, Mapping)]
    live = {item.get("name"): item.get("liveWeight") for item in told}
    return max(variants, key=lambda item: _number(live.get(item["name"]) or item.get("weight")))


def _number(text: Any) -> float:
    try:
        return float(text)
    except (TypeError, ValueError):
        return 0.0
