"""What users do with a TrainingRun, and how its jobs go."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name
from sagemaker_gitops.core.naming import TAG_ATTEMPT, TAG_STEP, owner_tags
from sagemaker_gitops.core.resource import RERUN, Key
from tests.simulation.aws import Ending
from tests.simulation.oracles_training import TrainingOracle
from tests.simulation.process import INSTALL
from tests.simulation.scenario import ACCOUNT, TENANT, Act, Body, Scenario, apply, delete, replace

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY = Key("TrainingRun", "team-a", "digits")
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/train:1"
FOREVER = 1e7
SECONDS = {"prepare": 60.0, "train": 100.0, "evaluate": 40.0, "evaluate-champion": 40.0}
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."
BROKEN = "AlgorithmError: ExecuteUserScriptError: division by zero, exit code: 1"

CODE: Body = {
    "kind": "ConfigMap",
    "metadata": {"name": "digits-code", "namespace": "team-a", "labels": {"sagemaker-gitops.dev/source": "true"}},
    "data": {"normalise.py": "print('normalise')", "evaluate.py": "print('evaluate')"},
}


def training_run(spec: Body, **annotations: str) -> Body:
    """The manifest under test."""
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "annotations": annotations}
    return {"kind": "TrainingRun", "metadata": metadata, "spec": spec}


def train_only(depth: int = 1, **more: Any) -> dict[str, Any]:
    """One training job with an image of the user's own: the shortest run there is."""
    return {"train": {"image": IMAGE, "hyperparameters": {"depth": depth}, "maxRuntime": "1h", **more}}


def whole(depth: int = 1) -> dict[str, Any]:
    """Glue, training, evaluation, gate and registration."""
    return {
        "source": {"configMapRef": {"name": "digits-code"}},
        "inputs": [{"name": "raw", "s3Uri": "s3://team-a-ml/raw/", "contentType": "text/csv"}],
        "prepare": {"glue": {"script": "normalise.py", "outputs": ["train", "test"]}},
        "train": {"image": IMAGE, "channels": ["train"], "hyperparameters": {"depth": depth}, "maxRuntime": "1h"},
        "evaluate": {"processing": {"image": IMAGE, "entryPoint": "evaluate.py", "channels": ["test"]}},
        "gates": [{"metric": "accuracy", "operator": ">=", "value": 0.95}],
        "register": {"group": "digits", "approval": "Manual"},
    }


def challenging() -> dict[str, Any]:
    """The whole of it, judged against the model that serves, which is evaluated on the same test data."""
    champion = {"endpointRef": {"name": "digits"}, "goal": "Maximize", "reevaluate": True}
    return whole() | {"gates": [{"metric": "accuracy", "champion": champion}]}


ENDPOINT: Body = {
    "kind": "ModelEndpoint",
    "metadata": {"name": "digits", "namespace": "team-a"},
    "spec": {},
    "status": {
        "phase": "InService",
        "liveConfig": "c7",
        "lastGood": {
            "config": "c7",
            "models": ["m"],
            "variants": [{"name": "all", "model": "serve:1", "artifact": "s3://team-a-ml/models/model.tar.gz"}],
        },
    },
}


def _champion(world: World) -> None:
    """An endpoint that is there before, ours by its tags."""
    owner = Key("ModelEndpoint", "team-a", "digits")
    tags = owner_tags(INSTALL, owner, step="endpoint", key="k", attempt=1, revision="")
    world.hosting.stands(endpoint_name(INSTALL, owner), tags, "c7")


def endings(failures: Mapping[tuple[str, str], str], endless: frozenset[str]) -> Callable[[Mapping[str, str], Mapping[str, Any]], Ending]:
    """`failures` say why a job (step, attempt) fails; `endless` are the depths whose training never ends by itself."""

    def ending(tags: Mapping[str, str], parameters: Mapping[str, Any]) -> Ending:
        step = tags[TAG_STEP]
        if step == "train" and parameters["HyperParameters"]["depth"] in endless:
            return Ending(FOREVER)
        reason = failures.get((step, tags[TAG_ATTEMPT]), "")
        return Ending(SECONDS[step], not reason, reason)

    return ending


def _scenario(
    name: str,
    versions: Sequence[Body],
    script: Sequence[Act] = (),
    failures: Mapping[tuple[str, str], str] | None = None,
    endless: str = "",
    **more: Any,
) -> Scenario:
    ending, ending_alone = endings(failures or {}, frozenset(endless)), endings(failures or {}, frozenset())
    others = (TENANT, CODE, *more.pop("others", ()))
    return Scenario(name, KEY, TrainingOracle(), versions, script, others, ending=ending, ending_alone=ending_alone, **more)


FIRST, SECOND = training_run(train_only(1)), training_run(train_only(2))
SUSPENDED = training_run({**train_only(1), "suspend": True})
RETRIED = training_run(train_only(1, retry={"maxAttempts": 3, "onErrors": ["CapacityError"]}))
CHALLENGER = training_run(challenging())
CHALLENGED: Mapping[str, Any] = {"others": (ENDPOINT,), "prepare": _champion}
WHOLE, WHOLE_EDITED, AGAIN = training_run(whole(1)), training_run(whole(2)), training_run(whole(1), **{RERUN: "2"})

SCENARIOS = (
    _scenario("train", [FIRST]),
    _scenario("train-fails", [FIRST], failures={("train", "1"): BROKEN}),
    _scenario("train-retries", [RETRIED], failures={("train", "1"): CAPACITY, ("train", "2"): CAPACITY}),
    _scenario(
        "train-deleted",
        [FIRST],
        [Act("CreateTrainingJob", 1, 5.0, delete)],
        endless="1",
        deletes=True,
        remains=False,
    ),
    _scenario(
        "train-suspended",
        [FIRST, SUSPENDED],
        [Act("CreateTrainingJob", 1, 5.0, apply(SUSPENDED)), Act("CreateTrainingJob", 1, 5.0, delete)],
        endless="1",
        deletes=True,
        remains=False,
    ),
    _scenario("train-edited", [FIRST, SECOND], [Act("CreateTrainingJob", 1, 5.0, apply(SECOND))], endless="1"),
    _scenario("train-replaced", [FIRST, FIRST], [Act("CreateTrainingJob", 1, 5.0, replace(FIRST))], deletes=True, may_be_stopped=True),
    _scenario("train-rebuilt", [FIRST], [Act("CreateTrainingJob", 1, 5.0, lambda world: world.rebuild())]),
    _scenario("whole", [WHOLE]),
    _scenario("whole-glue-fails", [WHOLE], failures={("prepare", "1"): BROKEN}),
    _scenario("whole-edited", [WHOLE, WHOLE_EDITED], [Act("CreateTrainingJob", 1, 5.0, apply(WHOLE_EDITED))], endless="1"),
    _scenario("whole-glue-deleted", [WHOLE], [Act("StartJobRun", 1, 5.0, delete)], deletes=True, remains=False),
    _scenario("whole-rerun", [WHOLE, AGAIN], [Act("CreateModelPackage", 1, 30.0, apply(AGAIN))]),
    _scenario("whole-champion", [CHALLENGER], **CHALLENGED),
    _scenario("whole-champion-fails", [CHALLENGER], failures={("evaluate-champion", "1"): BROKEN}, **CHALLENGED),
    _scenario("whole-champion-rebuilt", [CHALLENGER], [Act("CreateProcessingJob", 2, 5.0, lambda world: world.rebuild())], **CHALLENGED),
    _scenario("whole-rebuilt", [WHOLE], [Act("CreateTrainingJob", 1, 5.0, lambda world: world.rebuild())]),
)
