"""What the end of a run is judged by: its evaluation, the registry, and the model to beat. Reads only.

Implements the late facts of aws/kinds/training_run.py: nothing in here is called before every paid step has succeeded.
"""

from __future__ import annotations

from dataclasses import replace

from sagemaker_gitops.api.training_rules import champions
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.hosting import look_at_endpoint
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.registry import EVALUATION_LIMIT, look_up, measured
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name as aws_endpoint_name
from sagemaker_gitops.core.kinds.training_run.champion import endpoint_name, serving, variant_name
from sagemaker_gitops.core.kinds.training_run.evaluation import flatten
from sagemaker_gitops.core.kinds.training_run.facts import (
    Champion,
    ChampionFact,
    ChampionPending,
    Evaluation,
    NoChampion,
    TrainingRunFacts,
)
from sagemaker_gitops.core.kinds.training_run.requests import EVALUATION_OUTPUT
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE, TRAIN, Progress, Run, keys_of
from sagemaker_gitops.core.resource import Key

NOT_SERVING = ("Creating", "Deleting", "Failed")


def serving_champion(references: References, namespace: str, spec: TrainingRunSpec) -> ChampionFact:
    """The model that the ModelEndpoint of the gates serves, without its numbers; no champion when the gates name no endpoint."""
    name = endpoint_name(spec)
    if name is None:
        return NoChampion()
    return serving(name, variant_name(spec), references.object(Key("ModelEndpoint", namespace, name)))


async def concluding(aws: Aws, scope: Scope, run: Run, progress: Progress, facts: TrainingRunFacts) -> TrainingRunFacts:
    """The facts with the run's evaluation, its package if it is registered, and the champion with its numbers."""
    uri = progress.outputs.get(EVALUATION_OUTPUT)
    if uri is not None and progress.succeeded(EVALUATE) is not None:
        facts = replace(facts, evaluation=await evaluated(aws, scope, uri))
    serves = endpoint_name(run.spec) is not None
    if serves and isinstance(facts.champion, NoChampion):
        facts = replace(facts, champion=await _nothing_serves(aws, scope, run, facts.champion))
    recorded = any(not champion.reevaluate for champion in champions(run.spec))
    if isinstance(facts.champion, Champion) and facts.champion.package_arn and recorded:
        facts = replace(facts, champion=await measured(aws, scope, run.tenant, facts.champion))
    if run.spec.register_ is None:
        return facts
    trained = progress.succeeded(TRAIN)
    found = await look_up(
        aws,
        scope,
        run.tenant,
        run.spec.register_.group,
        keys_of(run, progress).package,
        trained.finished if trained else None,
        bool(run.spec.gates) and not serves,
    )
    facts = replace(facts, group_exists=found.exists, registered=found.registered)
    package = found.champion
    if serves or package is None:
        return facts
    return replace(facts, champion=Champion(f"{package.group}/{package.version}", package.arn, package.artifact, package.metrics))


async def _nothing_serves(aws: Aws, scope: Scope, run: Run, told: NoChampion) -> ChampionFact:
    """A missing object or an empty status is no evidence: a rebuilt cluster may bring the run before the endpoint that serves all along."""
    owner = Key("ModelEndpoint", run.owner.namespace, endpoint_name(run.spec) or "")
    name = aws_endpoint_name(run.install, owner)
    found = await look_at_endpoint(aws, scope, name, run.install, owner, proven=False)
    if not isinstance(found, LiveEndpoint) or found.raw in NOT_SERVING:
        return told
    return ChampionPending(
        f"{told.message}, but endpoint {name} is {found.raw} in AWS: waiting for ModelEndpoint {owner.name} to tell its models"
    )


async def evaluated(aws: Aws, scope: Scope, uri: str) -> Evaluation:
    """The numbers that an evaluation wrote under `uri`, or why they cannot be read."""
    try:
        return Evaluation(flatten(await storage.read_json(aws, scope, f"{uri}evaluation.json", EVALUATION_LIMIT)))
    except ValueError as error:
        return Evaluation({}, str(error))
