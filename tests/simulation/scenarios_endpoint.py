"""What users, approvers, alarms and other people's hands do to a ModelEndpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.resource import Key
from tests.simulation.aws_hosting import ALARMING
from tests.simulation.oracles_endpoint import EndpointOracle
from tests.simulation.scenario import TENANT, Act, Body, Scenario, apply, delete, replace

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY = Key("ModelEndpoint", "team-a", "digits")
RUN = Key("TrainingRun", "team-a", "digits")
GROUP = "digits"
ARTIFACTS = ("one", "two", ALARMING, "four")
APPROVED, PENDING, REJECTED = "Approved", "PendingManualApproval", "Rejected"
SETTLED = 400.0  # seconds after a creation or an update was accepted: it has ended, and its end has been seen
SERVES, UPDATES = "CreateEndpoint", "UpdateEndpoint"
ALARMED = {"type": "Canary", "size": "10%", "waitInterval": "1m", "alarms": ["digits-5xx"]}


def endpoint(*models: Body, shares: Sequence[float] = (), counts: Sequence[int] = (), scaling: Body | None = None, **spec: Any) -> Body:
    """The manifest under test: a variant for each model."""
    variants: list[dict[str, Any]] = []
    for index, model in enumerate(models):
        variant: dict[str, Any] = {"name": f"v{index}", "model": model}
        if shares:
            variant["weight"] = shares[index]
        if counts:
            variant["resources"] = {"instanceCount": counts[index]}
        if scaling is not None:
            variant["autoscaling"] = scaling
        variants.append(variant)
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "annotations": {}}
    return {"kind": KEY.kind, "metadata": metadata, "spec": {"variants": variants, **spec}}


def version(number: int) -> Body:
    return {"package": {"group": GROUP, "version": number}}


def training_run(model: str) -> Body:
    """A TrainingRun as it looks when it has registered `model`; nothing reconciles it here."""
    metadata = {"name": RUN.name, "namespace": RUN.namespace, "annotations": {}}
    return {"kind": RUN.kind, "metadata": metadata, "spec": {"train": {}}, "status": {"phase": "Succeeded", "model": model}}


def registry(*approvals: str) -> Callable[[World], None]:
    """Versions 1, 2, ... of the group; the third sets off the alarm."""

    def prepare(world: World) -> None:
        for number, approval in enumerate(approvals):
            artifact = f"s3://team-a-ml/models/{ARTIFACTS[number]}/model.tar.gz"
            world.registry.add(GROUP, artifact, approval)
            world.context.objects["team-a-ml", artifact.removeprefix("s3://team-a-ml/")] = ARTIFACTS[number].encode()
        world.cloudwatch.alarms["digits-5xx"] = {"AlarmName": "digits-5xx", "StateValue": "OK"}
        foreign = {"Tags": [{"Key": "team", "Value": "b"}]}
        container = {"Image": "image", "ModelDataUrl": "s3://team-b/model.tar.gz"}
        world.by_hand("CreateModel", ModelName="team-a-digits-by-hand", PrimaryContainer=container, **foreign)
        machine = {"VariantName": "v0", "ModelName": "team-a-digits-by-hand", "InitialVariantWeight": 1.0, "InitialInstanceCount": 1}
        world.by_hand("CreateEndpointConfig", EndpointConfigName="team-a-digits-by-hand", ProductionVariants=[machine], **foreign)

    return prepare


def _approve(number: int, approval: str) -> Callable[[World], None]:
    return lambda world: world.registry.approve(GROUP, number, approval)


def _ran(model: str) -> Callable[[World], None]:
    """The TrainingRun's newest run registered a model."""
    return lambda world: world.kube.edit(RUN, status={"phase": "Succeeded", "model": model})


def _by_hand(operation: str, **parameters: Any) -> Callable[[World], None]:
    """Somebody does it to our endpoint, if there is one."""

    def act(world: World) -> None:
        for name, found in world.hosting.endpoints.items():
            if not found.gone:
                world.by_hand(operation, EndpointName=name, **parameters)

    return act


def _without_tenant(world: World) -> None:
    world.kube.delete(Key("Tenant", "", "team-a"))
    world.plan(200.0, lambda: world.kube.apply(TENANT))


def _scenario(
    name: str, versions: Sequence[Body], script: Sequence[Act] = (), approvals: Sequence[str] = (APPROVED,) * 4, **more: Any
) -> Scenario:
    others = (TENANT, *more.pop("others", ()))
    return Scenario(name, KEY, EndpointOracle(), versions, script, others, prepare=registry(*approvals), **more)


ONE, TWO, BAD, FOUR = (endpoint(version(number), rollout=ALARMED) for number in (1, 2, 3, 4))
EQUAL, SHIFTED = (endpoint(version(1), version(2), shares=shares) for shares in ((0.5, 0.5), (0.9, 0.1)))
GROWN = endpoint(version(1), version(2), shares=(0.9, 0.1), counts=(2, 1))
LATEST = endpoint({"package": {"group": GROUP, "approved": "Latest"}})
OF_RUN = endpoint({"trainingRunRef": {"name": RUN.name}})
GOES_ONE, GOES_TWO = (endpoint(version(number), deletionPolicy="Delete") for number in (1, 2))
ONE_ALONE, TWO_ALONE, BAD_ALONE, FOUR_ALONE = (endpoint(version(number), rollback={"historyLimit": 0}) for number in (1, 2, 3, 4))
SHORT = [endpoint(version(number), rollback={"historyLimit": 1}) for number in (1, 2, 4)]
SCALED: Mapping[str, Any] = {"minCapacity": 2, "maxCapacity": 4, "targetInvocationsPerInstance": 100}
SCALES_ONE, SCALES_TWO = (endpoint(version(number), scaling=SCALED, deletionPolicy="Delete") for number in (1, 2))
DEFAULTS: Mapping[str, Any] = {"type": "Canary", "size": "10%", "waitInterval": "1m", "createDefaultAlarms": True}
WATCHED_ONE, WATCHED_TWO = (endpoint(version(number), rollout=DEFAULTS, deletionPolicy="Delete") for number in (1, 2))
SHARE: Mapping[str, Any] = {"VariantName": "v0", "DesiredWeight": 7.0, "DesiredInstanceCount": 3}

SCENARIOS = (
    _scenario("serve", [ONE]),
    _scenario("serve-updated", [ONE, TWO], [Act(SERVES, 1, SETTLED, apply(TWO))]),
    _scenario(
        "serve-hurried",
        [ONE_ALONE, TWO_ALONE, FOUR_ALONE],
        [Act(SERVES, 1, 20.0, apply(TWO_ALONE)), Act(UPDATES, 1, 20.0, apply(FOUR_ALONE))],
    ),
    _scenario("serve-shifted", [EQUAL, SHIFTED, GROWN], [Act(SERVES, 1, SETTLED, apply(SHIFTED)), Act(SERVES, 1, 5.0, apply(GROWN))]),
    _scenario("serve-rolled-back", [ONE, BAD], [Act(SERVES, 1, SETTLED, apply(BAD))], end_varies=True),
    _scenario(
        "serve-recovered",
        [ONE_ALONE, BAD_ALONE, FOUR_ALONE],
        [Act(SERVES, 1, SETTLED, apply(BAD_ALONE)), Act(UPDATES, 1, SETTLED, apply(FOUR_ALONE))],
        creates=2,
    ),
    _scenario("serve-fails", [BAD]),
    _scenario("serve-mended", [BAD_ALONE, FOUR_ALONE], [Act(SERVES, 1, SETTLED, apply(FOUR_ALONE))], creates=2),
    _scenario("serve-unapproved", [LATEST], approvals=(PENDING,)),
    _scenario("serve-approved", [LATEST], [Act(SERVES, 1, SETTLED, _approve(2, APPROVED))], approvals=(APPROVED, PENDING)),
    _scenario(
        "serve-withdrawn",
        [LATEST],
        [Act(SERVES, 1, SETTLED, _approve(2, APPROVED)), Act(UPDATES, 1, SETTLED, _approve(2, REJECTED))],
        approvals=(APPROVED, PENDING),
        creates=2,
    ),
    _scenario("serve-pin-withdrawn", [ONE], [Act(SERVES, 1, SETTLED, _approve(1, REJECTED))], end_varies=True),
    _scenario(
        "serve-run",
        [OF_RUN],
        [Act(SERVES, 1, SETTLED, _ran("digits/2")), Act(SERVES, 1, SETTLED, _approve(2, APPROVED))],
        approvals=(APPROVED, PENDING),
        others=(training_run("digits/1"),),
    ),
    _scenario(
        "serve-touched",
        [ONE],
        [Act(SERVES, 1, SETTLED, _by_hand("UpdateEndpointWeightsAndCapacities", DesiredWeightsAndCapacities=[SHARE]))],
    ),
    _scenario("serve-moved", [ONE], [Act(SERVES, 1, SETTLED, _by_hand("UpdateEndpoint", EndpointConfigName="team-a-digits-by-hand"))]),
    _scenario("serve-vanished", [ONE], [Act(SERVES, 1, SETTLED, _by_hand("DeleteEndpoint"))], creates=2),
    _scenario("serve-retained", [TWO], [Act(SERVES, 1, SETTLED, delete)], deletes=True, remains=False, end_varies=True),
    _scenario(
        "serve-ended",
        [GOES_ONE, GOES_TWO],
        [Act(SERVES, 1, SETTLED, apply(GOES_TWO)), Act(UPDATES, 1, 20.0, delete)],
        deletes=True,
        remains=False,
    ),
    _scenario("serve-dropped", [GOES_ONE], [Act("CreateModel", 1, 1.0, delete)], deletes=True, remains=False),
    _scenario("serve-replaced", [GOES_ONE, GOES_ONE], [Act(SERVES, 1, SETTLED, replace(GOES_ONE))], deletes=True, creates=3),
    _scenario("serve-reverted", [ONE, TWO, ONE], [Act(SERVES, 1, SETTLED, apply(TWO)), Act(UPDATES, 1, SETTLED, apply(ONE))], creates=2),
    _scenario("serve-limited", SHORT, [Act(SERVES, 1, SETTLED, apply(SHORT[1])), Act(UPDATES, 1, SETTLED, apply(SHORT[2]))]),
    _scenario("serve-untenanted", [ONE, TWO], [Act(SERVES, 1, SETTLED, _without_tenant), Act(SERVES, 1, 50.0, apply(TWO))]),
    _scenario("serve-scaled", [SCALES_ONE, SCALES_TWO], [Act(SERVES, 1, SETTLED, apply(SCALES_TWO))]),
    _scenario("serve-unscaled", [SCALES_ONE, GOES_ONE], [Act(SERVES, 1, SETTLED, apply(GOES_ONE))]),
    _scenario("serve-scaled-ended", [SCALES_ONE], [Act(SERVES, 1, SETTLED, delete)], deletes=True, remains=False),
    _scenario("serve-watched", [WATCHED_ONE, WATCHED_TWO], [Act(SERVES, 1, SETTLED, apply(WATCHED_TWO))]),
    _scenario("serve-watched-ended", [WATCHED_ONE], [Act(SERVES, 1, SETTLED, delete)], deletes=True, remains=False),
    _scenario("serve-rebuilt", [ONE], [Act(SERVES, 1, SETTLED, lambda world: world.rebuild())]),
)
