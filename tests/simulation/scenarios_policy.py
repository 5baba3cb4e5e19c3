"""What users, data and the models themselves do to a MonitorPolicy, from a first check to a breach that no retrain ends.

The TrainingRun has passes of its own where one is asked to train; the endpoint is a status that somebody else keeps, but for policy-whole.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.kinds.model_endpoint.serving import endpoint_name
from sagemaker_gitops.core.naming import TAG_STEP, owner_tags
from sagemaker_gitops.core.resource import CHECK_NOW, Key
from tests.simulation.aws import Ending
from tests.simulation.aws_checks import BAD, BETTER, CHECK, NUMBER
from tests.simulation.clock import START
from tests.simulation.oracles_policy import RUN, PolicyOracle
from tests.simulation.process import INSTALL
from tests.simulation.scenario import ACCOUNT, TENANT, Act, Body, Scenario, apply, delete, replace

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY = Key("MonitorPolicy", "team-a", "watch")
ENDPOINT = Key("ModelEndpoint", "team-a", "digits")
AWS_NAME = endpoint_name(INSTALL, ENDPOINT)
BUCKET, CAPTURED = "team-a-ml", "capture/"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/train:1"
BROKEN = "AlgorithmError: ExecuteUserScriptError: division by zero, exit code: 1"
SECONDS = {"check": 40.0, "attribution": 40.0, "train": 100.0, "evaluate": 40.0}
FOREVER, SETTLED, PATIENCE = 1e7, 100.0, 4 * 3600.0
CHECKED, REGISTERED = "CreateProcessingJob", "CreateModelPackage"
EVERY_TEN: Mapping[str, Any] = {"cron": "*/10 * * * *"}
QUALITY: Mapping[str, Any] = {"name": CHECK, "type": "DataQuality", "completeness": 0.9}
WHY: Mapping[str, Any] = {"name": "why", "type": "Explainability", "image": IMAGE}
BASELINE = "baselines/digits.json"
ALARM: Mapping[str, Any] = {
    "name": "high",
    "check": CHECK,
    "metric": NUMBER,
    "operator": ">",
    "threshold": {"initial": 5.0, "ratchet": {"rate": 0.5}},
    "createCloudWatchAlarm": True,
}
TWO_OF_THREE = {**ALARM, "evaluationPeriods": 3, "datapointsToAlarm": 2, "treatMissingData": "notBreaching"}


def policy(check_now: str = "", **spec: Any) -> Body:
    """The manifest under test."""
    annotations = {CHECK_NOW: check_now} if check_now else {}
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "annotations": annotations}
    wanted = {
        "target": {"endpointRef": {"name": ENDPOINT.name}},
        "window": "10m",
        "checks": [QUALITY],
        "alarms": [ALARM],
        "dashboard": True,
    }
    return {"kind": KEY.kind, "metadata": metadata, "spec": {**wanted, **spec}}


def retraining(*alarms: Body, **limits: Any) -> dict[str, Any]:
    """A schedule, and a retrain when an alarm goes off."""
    asked = {"trainingRunRef": {"name": RUN.name}, "cooldown": "0s", **limits}
    return {"schedule": EVERY_TEN, "alarms": list(alarms) or [ALARM], "onBreach": {"retrain": asked}}


def training_run() -> Body:
    """Two steps: train and register, by hand approved."""
    train = {"image": IMAGE, "channels": ["raw"], "hyperparameters": {"depth": 1}, "maxRuntime": "1h"}
    spec = {
        "inputs": [{"name": "raw", "s3Uri": "s3://team-a-ml/raw/", "contentType": "text/csv"}],
        "train": train,
        "register": {"group": "digits", "approval": "Manual"},
    }
    metadata = {"name": RUN.name, "namespace": RUN.namespace, "annotations": {}}
    return {"kind": RUN.kind, "metadata": metadata, "spec": spec}


def endpoint(number: int) -> Body:
    """A ModelEndpoint that serves that version; nothing reconciles it here."""
    model = {
        "name": "all",
        "model": f"digits/{number}",
        "packageArn": f"arn:{number}",
        "artifact": f"s3://team-a-ml/models/{number}.tar.gz",
    }
    config = f"c{number}"
    status = {
        "phase": "InService",
        "endpointName": AWS_NAME,
        "liveConfig": config,
        "lastGood": {"config": config, "models": ["m"], "variants": [model]},
    }
    metadata = {"name": ENDPOINT.name, "namespace": ENDPOINT.namespace, "annotations": {}}
    return {"kind": ENDPOINT.kind, "metadata": metadata, "spec": {"dataCapture": {"initialSamplingPercentage": 100}}, "status": status}


def serving(capture: bool = True, days: int = 1) -> Callable[[World], None]:
    """AWS has the endpoint, and a file of every captured hour."""

    def prepare(world: World) -> None:
        tags = owner_tags(INSTALL, ENDPOINT, step="endpoint", key="k", attempt=1, revision="")
        world.hosting.stands(AWS_NAME, tags, "c1", f"s3://{BUCKET}/{CAPTURED}")
        if capture:
            _capture(world, days)

    return prepare


def _capture(world: World, days: int = 1) -> None:
    for hour in range(-2, 24 * days):
        folder = f"{START + timedelta(hours=hour):%Y/%m/%d/%H}"
        world.context.objects[BUCKET, f"{CAPTURED}{AWS_NAME}/all/{folder}/10-00.jsonl"] = b"{}\n"


def serve(number: int) -> Callable[[World], None]:
    """Somebody approves a version, and the endpoint serves it."""
    return lambda world: world.kube.edit(ENDPOINT, status=endpoint(number)["status"])


def _compared(world: World) -> None:
    """There is a baseline, too."""
    serving()(world)
    world.context.objects[BUCKET, BASELINE] = b"{}"


def drift(number: int, value: float) -> Callable[[World], None]:
    """From now on the data is such that this version scores so."""

    def act(world: World) -> None:
        world.checks.values[f"digits/{number}"] = value

    return act


def _late(world: World) -> None:
    serving()(world)
    world.checks.data = "LateData"


def _new_data(world: World) -> None:
    world.context.objects[BUCKET, "raw/more.csv"] = b"3,4\n"


def _gone(world: World) -> None:
    """The endpoint and its object are deleted."""
    world.by_hand("DeleteEndpoint", EndpointName=AWS_NAME)
    world.kube.delete(ENDPOINT)


def _status(field: str) -> Callable[[World], bool]:
    return lambda world: bool((world.kube.objects[KEY].get("status") or {}).get(field))


def _empty(world: World) -> bool:
    """Whether the policy has said that there is no data."""
    return bool((world.kube.objects[KEY].get("status") or {}).get("phase") == "NoData")


def _breach(word: str) -> Callable[[World], bool]:
    """Whether the open breach says so."""

    def told(world: World) -> bool:
        episode = (world.kube.objects[KEY].get("status") or {}).get("episode") or {}
        return word in f"{episode.get('state')}: {episode.get('message')}"

    return told


def _in_line(world: World) -> bool:
    """Whether CloudWatch has been told of every threshold: while a policy is suspended nobody tells it."""
    said = {item["threshold"] for item in (world.kube.objects[KEY].get("status") or {}).get("alarms") or ()}
    return all(str(alarm["Threshold"]) in said for alarm in world.cloudwatch.alarms.values())


def _lost_for(world: World) -> float:
    """Seconds since a status was lost; 0 if none was."""
    return world.clock.seconds - world.losses[-1] if world.losses else 0.0


def endings(endless: bool = False, failing: frozenset[str] = frozenset()) -> Callable[[Mapping[str, str], Mapping[str, Any]], Ending]:
    """How jobs go, by their step."""

    def ending(tags: Mapping[str, str], parameters: Mapping[str, Any]) -> Ending:
        step = tags[TAG_STEP]
        if step == "check" and endless:
            return Ending(FOREVER)
        return Ending(SECONDS[step], step not in failing, BROKEN if step in failing else "")

    return ending


def _scenario(name: str, versions: Sequence[Body], script: Sequence[Act] = (), **more: Any) -> Scenario:
    others = (TENANT, *more.pop("others", (endpoint(1),)))
    given = {"prepare": serving(), "ending": endings(), "patience": PATIENCE, "end_varies": bool(script), **more}
    return Scenario(f"policy-{name}", KEY, PolicyOracle(), versions, script, others, **given)


def _retrains(name: str, spec: Mapping[str, Any], script: Sequence[Act], **more: Any) -> Scenario:
    """A schedule goes on for ever: in the end somebody suspends it, if what is awaited was lost with the status some hours later."""
    first, last = policy(**spec), policy(**spec, suspend=True)
    until = more.pop("until", lambda world: True)
    ended = Act(CHECKED, 1, SETTLED, apply(last), lambda world: (until(world) and _in_line(world)) or _lost_for(world) > GIVEN_UP)
    given = {"others": (endpoint(1), training_run()), "kinds": (KEY.kind, RUN.kind), "by_number": True, "forgets": True, **more}
    return _scenario(name, [first, last], [*script, ended], **given)


GIVEN_UP = 2 * 3600.0
ONE, TWO = policy("1"), policy("2")
STRICT = policy("1", alarms=[{**ALARM, "threshold": {"initial": 1.5}}])
EXPLAINED = policy("1", checks=[QUALITY, WHY], baseline={"s3Uri": f"s3://{BUCKET}/{BASELINE}"})
EDITED = policy("1", checks=[{**QUALITY, "completeness": 0.8}])
QUIET: Mapping[str, Any] = {"alarms": [{**ALARM, "createCloudWatchAlarm": False}], "dashboard": False}
PLAIN, HELD = policy("1", **QUIET), policy("1", **QUIET, suspend=True)
BETTER_MODEL = [Act(REGISTERED, 2, 30.0, drift(2, BETTER)), Act(REGISTERED, 2, 1.0, serve(2))]
BREACH = Act(CHECKED, 1, SETTLED, drift(1, BAD))
WORSE = [
    act for number in (2, 3) for act in (Act(REGISTERED, number, 30.0, drift(number, BAD)), Act(REGISTERED, number, 1.0, serve(number)))
]

SCENARIOS = (
    _scenario("good", [ONE]),
    _scenario("again", [ONE, TWO], [Act(CHECKED, 1, SETTLED, apply(TWO))]),
    _scenario("explained", [EXPLAINED], prepare=_compared),
    _scenario("explained-in-vain", [EXPLAINED], prepare=_compared, ending=endings(failing=frozenset({"attribution"}))),
    _scenario("explained-deleted", [EXPLAINED], [Act(CHECKED, 1, 5.0, delete)], prepare=_compared, deletes=True, remains=False),
    _scenario("no-data", [ONE], prepare=serving(capture=False)),
    _scenario("late-data", [ONE], prepare=_late),
    _scenario(
        "data-comes",
        [ONE, TWO],
        [Act(CHECKED, 0, 1.0, _capture, _empty), Act(CHECKED, 0, 1.0, apply(TWO))],
        forgets=True,
        by_number=True,
        prepare=serving(capture=False),
    ),
    _scenario("fails", [ONE], ending=endings(failing=frozenset({"check"}))),
    _scenario(
        "deleted", [ONE], [Act(CHECKED, 1, 5.0, delete)], ending=endings(endless=True), ending_alone=endings(), deletes=True, remains=False
    ),
    _scenario("dropped", [ONE], [Act("PutObject", 1, 0.0, delete)], deletes=True, remains=False),
    _scenario("watched-deleted", [ONE], [Act("PutDashboard", 1, SETTLED, delete)], deletes=True, remains=False),
    _scenario("hurriedly-deleted", [ONE], [Act("PutMetricData", 1, 0.0, delete)], deletes=True, remains=False),
    _scenario("alarm-deleted", [ONE], [Act("PutMetricAlarm", 1, 0.0, delete)], deletes=True, remains=False),
    _scenario("dashboard-deleted", [ONE], [Act("PutDashboard", 1, 0.0, delete)], deletes=True, remains=False),
    _scenario("replaced", [ONE, ONE], [Act(CHECKED, 1, 5.0, replace(ONE))], deletes=True, may_be_stopped=True, forgets=True),
    _scenario("edited", [ONE, EDITED], [Act(CHECKED, 1, 5.0, apply(EDITED))], forgets=True),
    _scenario("stricter", [ONE, STRICT], [Act(CHECKED, 1, 5.0, apply(STRICT))]),
    _scenario("suspended", [PLAIN, HELD], [Act(CHECKED, 1, 5.0, apply(HELD))], forgets=True),
    _scenario("endpoint-gone", [PLAIN, HELD], [Act(CHECKED, 1, 5.0, _gone), Act(CHECKED, 1, 200.0, apply(HELD))], forgets=True),
    _scenario("rebuilt", [ONE], [Act(CHECKED, 1, SETTLED, lambda world: world.rebuild())]),
    _retrains("loop", retraining(TWO_OF_THREE), [BREACH, *BETTER_MODEL], until=_status("lastEpisode")),
    _retrains("worse", retraining(maxWithoutImprovement=2, maxPerDay=5), [BREACH, *WORSE], until=_breach("Stalled")),
    _retrains("capped", retraining(maxPerDay=1), [BREACH, *WORSE[:2]], until=_breach("maxPerDay")),
    _retrains("cooled", retraining(cooldown="40m", maxWithoutImprovement=2), [BREACH, *WORSE], until=_breach("Stalled")),
    _retrains(
        "new-data",
        retraining(requireNewData=True),
        [BREACH, Act(CHECKED, 3, SETTLED, _new_data), *BETTER_MODEL],
        until=_status("lastEpisode"),
    ),
)
