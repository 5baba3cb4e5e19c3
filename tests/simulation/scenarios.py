"""What users do and how AWS's jobs go: the inputs that a faulted run and its fault-free reference share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.naming import TAG_ATTEMPT, TAG_STEP
from sagemaker_gitops.core.resource import RERUN, Key
from tests.simulation.aws import Ending

if TYPE_CHECKING:
    from tests.simulation.world import World

INSTALL = "simulation"
KEY = Key("TrainingRun", "team-a", "digits")
ACCOUNT = "123456789012"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/train:1"
FOREVER = 1e7
SECONDS = {"prepare": 60.0, "train": 100.0, "evaluate": 40.0, "evaluate-champion": 40.0}
CAPACITY = "CapacityError: Unable to provision requested ML compute capacity."
BROKEN = "AlgorithmError: ExecuteUserScriptError: division by zero, exit code: 1"

Body = Mapping[str, Any]

TENANT: Body = {
    "kind": "Tenant",
    "metadata": {"name": "team-a"},
    "spec": {
        "namespaces": ["team-a"],
        "account": ACCOUNT,
        "region": "eu-central-1",
        "roleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a",
        "externalId": "team-a",
        "allow": {
            "executionRoleArns": [f"arn:aws:iam::{ACCOUNT}:role/team-a/*"],
            "s3Prefixes": ["s3://team-a-ml/"],
            "images": [f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/*"],
            "instanceTypes": ["ml.m5.*"],
        },
        "limits": {"maxRuntime": "24h"},
        "defaults": {
            "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/team-a/training",
            "artifactPrefix": "s3://team-a-ml/artifacts/",
            "instanceTypes": {"training": "ml.m5.large", "processing": "ml.m5.large"},
        },
    },
}
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


@dataclass(frozen=True, slots=True)
class Act:
    """Something a user does, `after` seconds from the moment when AWS had accepted `count` calls of `operation`."""

    operation: str
    count: int
    after: float
    do: Callable[[World], None]


@dataclass(frozen=True, slots=True)
class Scenario:
    """`versions` are the manifests in the order in which they are applied; the last one is what remains.

    `endings` says how a job (step, attempt) goes; `endless` are the depths whose training never ends by itself. `others` are objects
    that nobody here reconciles.
    """

    name: str
    versions: Sequence[Body]
    script: Sequence[Act] = ()
    endings: Mapping[tuple[str, str], str] = field(default_factory=dict)
    endless: frozenset[str] = frozenset()
    deletes: bool = False
    remains: bool = True
    may_be_stopped: bool = False
    others: Sequence[Body] = ()

    def ending(self, tags: Mapping[str, str], parameters: Mapping[str, Any]) -> Ending:
        step = tags[TAG_STEP]
        if step == "train" and parameters["HyperParameters"]["depth"] in self.endless:
            return Ending(FOREVER)
        reason = self.endings.get((step, tags[TAG_ATTEMPT]), "")
        return Ending(SECONDS[step], not reason, reason)


def _apply(manifest: Body) -> Callable[[World], None]:
    return lambda world: world.apply(manifest)


def _delete(world: World) -> None:
    world.kube.delete(KEY)


def _replace(manifest: Body) -> Callable[[World], None]:
    """kubectl replace --force: delete, wait until it is gone, create."""
    return lambda world: world.replace(manifest)


FIRST, SECOND = training_run(train_only(1)), training_run(train_only(2))
SUSPENDED = training_run({**train_only(1), "suspend": True})
RETRIED = training_run(train_only(1, retry={"maxAttempts": 3, "onErrors": ["CapacityError"]}))
CHALLENGER, CHALLENGED = training_run(challenging()), (ENDPOINT,)
WHOLE, WHOLE_EDITED, AGAIN = training_run(whole(1)), training_run(whole(2)), training_run(whole(1), **{RERUN: "2"})

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario("train", [FIRST]),
        Scenario("train-fails", [FIRST], endings={("train", "1"): BROKEN}),
        Scenario("train-retries", [RETRIED], endings={("train", "1"): CAPACITY, ("train", "2"): CAPACITY}),
        Scenario(
            "train-deleted",
            [FIRST],
            [Act("CreateTrainingJob", 1, 5.0, _delete)],
            endless=frozenset({"1"}),
            deletes=True,
            remains=False,
        ),
        Scenario(
            "train-suspended",
            [FIRST, SUSPENDED],
            [Act("CreateTrainingJob", 1, 5.0, _apply(SUSPENDED)), Act("CreateTrainingJob", 1, 5.0, _delete)],
            endless=frozenset({"1"}),
            deletes=True,
            remains=False,
        ),
        Scenario("train-edited", [FIRST, SECOND], [Act("CreateTrainingJob", 1, 5.0, _apply(SECOND))], endless=frozenset({"1"})),
        Scenario("train-replaced", [FIRST, FIRST], [Act("CreateTrainingJob", 1, 5.0, _replace(FIRST))], deletes=True, may_be_stopped=True),
        Scenario("train-rebuilt", [FIRST], [Act("CreateTrainingJob", 1, 5.0, lambda world: world.rebuild())]),
        Scenario("whole", [WHOLE]),
        Scenario("whole-glue-fails", [WHOLE], endings={("prepare", "1"): BROKEN}),
        Scenario("whole-edited", [WHOLE, WHOLE_EDITED], [Act("CreateTrainingJob", 1, 5.0, _apply(WHOLE_EDITED))], endless=frozenset({"1"})),
        Scenario("whole-glue-deleted", [WHOLE], [Act("StartJobRun", 1, 5.0, _delete)], deletes=True, remains=False),
        Scenario("whole-rerun", [WHOLE, AGAIN], [Act("CreateModelPackage", 1, 30.0, _apply(AGAIN))]),
        Scenario("whole-champion", [CHALLENGER], others=CHALLENGED),
        Scenario("whole-champion-fails", [CHALLENGER], endings={("evaluate-champion", "1"): BROKEN}, others=CHALLENGED),
        Scenario(
            "whole-champion-rebuilt",
            [CHALLENGER],
            [Act("CreateProcessingJob", 2, 5.0, lambda world: world.rebuild())],
            others=CHALLENGED,
        ),
        Scenario("whole-rebuilt", [WHOLE], [Act("CreateTrainingJob", 1, 5.0, lambda world: world.rebuild())]),
    )
}
