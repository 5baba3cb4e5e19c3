"""A smoke test: made once for a version, behind an endpoint of its own, before the version serves; and nothing of it is left."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains, plan_deletion
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Answered,
    AwaitingApproval,
    Call,
    EndpointFact,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    ModelFact,
    NoEndpoint,
    Refused,
    SmokeFacts,
    Unanswered,
)
from sagemaker_gitops.core.kinds.model_endpoint.smoke import DEADLINE, stand_config
from sagemaker_gitops.core.plan import After, Done, OnEvent, Plan
from sagemaker_gitops.core.resource import FINALIZER, Snapshot
from tests.unit.core.endpoint_case import BEFORE, KEY, LATEST, NOW, SETTINGS, Case, model, operations, parameters, reasons

PAYLOAD = {"configMapRef": {"name": "digits-sample", "key": "sample.csv"}}
TEST = {"payload": PAYLOAD, "expect": {"status": 200, "maxLatency": "2s"}}
GOOD = Answered(200, 0.1)
BUILD = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
UPDATE = ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]


class SmokeCase(Case):
    """A case with a smoke test, and a stand that its own actions make and take away."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(**{"smokeTest": TEST} | spec)
        self.payload = "digest"
        self.stand: EndpointFact = NoEndpoint()
        self.call: Call = GOOD
        self.made: list[str] = []

    def step(self, endpoint: EndpointFact, found: ModelFact | None = None) -> Plan:
        """A pass as the adapter would prepare it, and the stand afterwards."""
        known = bool((self.snapshot.status.get("smokeTest") or {}).get("endpoint"))
        ready = isinstance(self.stand, LiveEndpoint) and self.stand.state is EndpointState.IN_SERVICE
        calls = {variant.name: self.call for variant in self.spec.variants} if ready and known else {}
        stand = self.stand if known or not isinstance(self.stand, NoEndpoint) else None
        plan = self.decide(endpoint, found, SmokeFacts(self.payload, "" if self.payload else "no such key", stand, calls))
        self.made += [f"{action.operation} {action.subject}" for action in plan.actions if isinstance(action, AwsRequest)]
        for action in plan.actions:
            assert isinstance(action, AwsRequest)
            if action.subject.endswith("-smoke"):
                created = action.operation == "CreateEndpoint"
                self.stand = self.on_stand(action.parameters["EndpointConfigName"]) if created else NoEndpoint()
        return plan

    def until_settled(self, endpoint: EndpointFact, found: ModelFact | None = None) -> Plan:
        """Passes until one has nothing to do, or the version is brought into service."""
        for _ in range(10):
            plan = self.step(endpoint, found)
            if "UpdateEndpoint" in operations(plan) or plan.requeue == OnEvent() or self.promoted(plan):
                return plan
        raise AssertionError(plan)

    def promoted(self, plan: Plan) -> bool:
        return any(isinstance(action, AwsRequest) and action.subject == self.serving().endpoint_name for action in plan.actions)

    def on_stand(self, config: str, **changes: Any) -> LiveEndpoint:
        return LiveEndpoint(EndpointState.IN_SERVICE, "InService", config, BEFORE, **changes)

    def ready(self, found: ModelFact | None = None) -> None:
        """A stand in service for the test of the config."""
        self.stand = self.on_stand(stand_config(KEY, self.config(found)))


def serving_case(**spec: Any) -> tuple[SmokeCase, LiveEndpoint]:
    """Version 7 serves; it was never tested."""
    case = SmokeCase(**spec)
    live = case.live(model(7))
    case.step(live, model(7))
    return case, live


def test_a_version_that_passes_is_brought_into_service_and_the_stand_is_gone_before() -> None:
    """One stand, one verdict, one update; the config of the stand goes too."""
    case, live = serving_case()
    made = case.until_settled(live, model(8))
    assert operations(made) == UPDATE
    assert made.status["smokeTest"]["state"] == "Passed"
    assert "endpoint" not in made.status["smokeTest"]
    assert isinstance(case.stand, NoEndpoint)
    name, config = case.serving(model(8)).endpoint_name, case.config(model(8))
    assert [line for line in case.made if "Model" not in line] == [
        f"CreateEndpointConfig {stand_config(KEY, config)}",
        f"CreateEndpoint {name}-smoke",
        f"DeleteEndpoint {name}-smoke",
        f"DeleteEndpointConfig {stand_config(KEY, config)}",
        f"CreateEndpointConfig {config}",
        f"UpdateEndpoint {name}",
    ]


def test_the_intent_is_in_status_before_the_stand_is_made() -> None:
    """A crash in between forgets nothing that costs money."""
    case, live = serving_case()
    made = case.step(live, model(8))
    assert operations(made) == BUILD
    assert made.creates
    assert made.status["smokeTest"]["endpoint"] == f"{case.serving().endpoint_name}-smoke"
    assert (made.status["phase"], reasons(made)["SmokeTestPassed"]) == ("Testing", "Unknown SmokeTest")


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Answered(500, 0.1, "division by zero"), "variant all answered 500 instead of 200: division by zero"),
        (Answered(200, 3.5), "variant all took 3.50 s, longer than 2s"),
        (Refused("ValidationError: no"), "variant all could not be called: ValidationError: no"),
    ],
)
def test_a_version_that_fails_never_serves(call: Call, words: str) -> None:
    """What serves is not touched; the reason and where its log is are told; the stand is gone."""
    case, live = serving_case()
    case.call = call
    made = case.until_settled(live, model(8))
    assert not {line.split()[0] for line in case.made} & {"UpdateEndpoint"}
    assert isinstance(case.stand, NoEndpoint)
    assert (made.status["phase"], reasons(made)["Stalled"]) == ("InService", "True SmokeTestFailed")
    assert reasons(made)["SmokeTestPassed"] == "False SmokeTestFailed"
    told = next(item["message"] for item in made.status["conditions"] if item["type"] == "Stalled")
    assert words in told
    assert f"/aws/sagemaker/Endpoints/{case.serving().endpoint_name}-smoke" in told
    assert made.status["lastGood"]["config"] == case.config(model(7))


def test_a_failed_version_is_not_tried_again_and_another_test_or_model_is() -> None:
    """At rest nothing is called; the payload, what is expected and the model are content."""
    case, live = serving_case()
    case.call = Answered(500, 0.1)
    case.until_settled(live, model(8))
    before = len(case.made)
    for _ in range(3):
        assert case.step(live, model(8)).requeue == OnEvent()
    assert len(case.made) == before
    case.payload = "another"
    assert operations(case.step(live, model(8))) == BUILD
    case.until_settled(live, model(8))
    case.edit(smokeTest={**TEST, "expect": {"status": 500}})
    assert operations(case.until_settled(live, model(8))) == UPDATE


def test_a_first_version_that_fails_is_never_created() -> None:
    """Nothing served, nothing serves."""
    case = SmokeCase()
    case.call = Answered(500, 0.1)
    made = case.until_settled(NoEndpoint())
    assert [line for line in case.made if line.startswith("CreateEndpoint ")] == [f"CreateEndpoint {case.serving().endpoint_name}-smoke"]
    assert (made.status["phase"], reasons(made)["Stalled"]) == ("Failed", "True SmokeTestFailed")


def test_a_first_version_that_passes_is_created() -> None:
    """And serves with its wanted config."""
    case = SmokeCase()
    made = case.until_settled(NoEndpoint())
    assert operations(made) == BUILD
    assert parameters(made, "CreateEndpoint")["EndpointName"] == case.serving().endpoint_name


def test_a_version_that_does_not_start_has_failed() -> None:
    """With AWS's reason; the live endpoint is not updated to find that out."""
    case, live = serving_case()
    case.step(live, model(8))
    case.stand = LiveEndpoint(EndpointState.FAILED, "Failed", stand_config(KEY, case.config(model(8))), BEFORE, reason="ping failed")
    made = case.until_settled(live, model(8))
    assert "does not start: ping failed" in str(made.status["conditions"])
    assert "UpdateEndpoint" not in str(case.made)


def test_the_stand_is_small_and_records_nothing() -> None:
    """One instance for each variant, no captured data, no queue: the answer is awaited."""
    variants = [
        {"name": "a", "model": LATEST, "weight": 0, "resources": {"instanceCount": 5}},
        {"name": "b", "model": LATEST},
    ]
    case = SmokeCase(variants=variants, dataCapture={"initialSamplingPercentage": 100, "captureModes": ["Input"]}, **{"async": {}})
    config = parameters(case.step(NoEndpoint()), "CreateEndpointConfig")
    assert [variant["InitialInstanceCount"] for variant in config["ProductionVariants"]] == [1, 1]
    assert {"DataCaptureConfig", "AsyncInferenceConfig"}.isdisjoint(config)
    assert {"Key": "sagemaker-gitops.dev/step", "Value": "smoke"} in config["Tags"]


def test_a_serverless_stand_answers_one_at_a_time() -> None:
    """The account's concurrency is for callers."""
    case = SmokeCase(variants=[{"name": "all", "model": LATEST, "serverless": {"memorySizeInMB": 1024, "maxConcurrency": 20}}])
    (variant,) = parameters(case.step(NoEndpoint()), "CreateEndpointConfig")["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 1024, "MaxConcurrency": 1}


def test_going_back_is_not_held_up() -> None:
    """What has served is not tested again."""
    case, live = serving_case()
    case.until_settled(live, model(8))
    eight = case.live(model(8))
    case.step(eight, model(8))
    assert operations(case.step(eight, model(7))) == UPDATE


def test_adding_a_test_does_not_test_what_serves() -> None:
    """Nor does a wiped status: it guards the next version."""
    case, live = serving_case()
    assert case.step(live, model(7)).actions == ()
    assert "SmokeTestPassed" not in reasons(case.step(live, model(7)))


def test_an_edited_test_is_made_again_of_what_serves_without_touching_it() -> None:
    """It stays Ready; the verdict is told beside."""
    case, live = serving_case()
    case.until_settled(live, model(8))
    eight = case.live(model(8))
    assert reasons(case.step(eight, model(8)))["SmokeTestPassed"] == "True SmokeTestPassed"
    case.payload, case.call, before = "another", Answered(500, 0.1), len(case.made)
    for _ in range(6):
        made = case.step(eight, model(8))
        assert reasons(made)["Ready"] == "True InService"
    assert (made.requeue, reasons(made)["SmokeTestPassed"]) == (OnEvent(), "False SmokeTestFailed")
    assert isinstance(case.stand, NoEndpoint)
    assert not [line for line in case.made[before:] if line.endswith(case.serving().endpoint_name)]


def test_a_missing_payload_is_waited_for() -> None:
    """The new version waits, nothing is made."""
    case, live = serving_case()
    case.payload = ""
    made = case.step(live, model(8))
    assert (made.actions, reasons(made)["Reconciling"]) == ((), "True PayloadMissing")
    assert isinstance(made.requeue, After)


def test_what_aws_does_not_answer_is_asked_again_until_the_deadline() -> None:
    """Nobody knows what the model would have said; but the stand costs money."""
    case, live = serving_case()
    case.call = Unanswered("ThrottlingException: slow down")
    case.step(live, model(8))
    for _ in range(3):
        made = case.step(live, model(8))
        assert (made.actions, made.requeue) == ((), After(30.0))
    case.now = NOW + DEADLINE + timedelta(minutes=1)
    made = case.until_settled(live, model(8))
    assert (reasons(made)["Stalled"], isinstance(case.stand, NoEndpoint)) == ("True SmokeTestFailed", True)


def test_an_edit_under_way_takes_the_stand_of_the_old_version_down_first() -> None:
    """One stand at a time; its config is collected."""
    case, live = serving_case()
    case.step(live, model(8))
    old = stand_config(KEY, case.config(model(8)))
    assert operations(case.until_settled(live, model(9))) == UPDATE
    assert f"DeleteEndpointConfig {old}" in case.made
    assert len([line for line in case.made if line.startswith("CreateEndpoint ")]) == 2


def test_a_busy_stand_is_waited_for() -> None:
    """AWS refuses to delete what it is creating."""
    case, live = serving_case()
    case.step(live, model(8))
    case.stand = LiveEndpoint(EndpointState.BUSY, "Creating", "other", BEFORE)
    assert (case.step(live, model(9)).actions, case.step(live, model(8)).actions) == ((), ())


def test_the_stand_does_not_outlive_what_it_was_for() -> None:
    """Whatever the object waits for meanwhile: the stand costs money by the second."""
    case, live = serving_case()
    case.step(live, model(8))
    made = case.step(live, AwaitingApproval("digits/8 is Rejected"))
    assert operations(made) == ["DeleteEndpoint"]
    assert reasons(made) == {"Ready": "False AwaitingApproval"}
    made = case.step(live, AwaitingApproval("digits/8 is Rejected"))
    assert operations(made) == ["DeleteEndpointConfig"]
    assert "smokeTest" not in case.snapshot.status


def test_back_on_what_serves_the_stand_is_taken_down() -> None:
    """An edit that was taken back."""
    case, live = serving_case()
    case.step(live, model(8))
    for _ in range(3):
        made = case.step(live, model(7))
    assert (made.requeue, isinstance(case.stand, NoEndpoint), "smokeTest" in made.status) == (OnEvent(), True, False)


def test_without_a_test_nothing_is_held_up_and_the_record_goes() -> None:
    """A spec without smokeTest serves what starts."""
    case, live = serving_case()
    case.until_settled(live, model(8))
    case.edit()
    assert operations(case.step(case.live(model(8)), model(9))) == UPDATE
    case.step(case.live(model(9)), model(9))
    assert "smokeTest" not in case.snapshot.status


def test_a_stand_of_somebody_else_is_left_alone() -> None:
    """Its name is taken: said, and nothing done."""
    case, live = serving_case()
    case.stand = ForeignEndpoint("another")
    made = case.step(live, model(8))
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True NameConflict")


def test_a_status_cannot_make_anything_else_a_stand() -> None:
    """Whatever endpoint it names: only the stand's own name is deleted."""
    case, live = serving_case()
    case.step(live, model(8))
    forged = {**case.snapshot.status["smokeTest"], "endpoint": case.serving().endpoint_name}
    case.snapshot = replace(case.snapshot, status={**case.snapshot.status, "smokeTest": forged})
    made = case.step(live, model(7))
    assert [action.subject for action in made.actions if isinstance(action, AwsRequest)] == [f"{case.serving().endpoint_name}-smoke"]


def test_going_back_in_the_middle_of_a_failure_says_nothing_of_it() -> None:
    """The verdict over one version is none over another."""
    case, live = serving_case()
    case.until_settled(live, model(8))
    eight = case.live(model(8))
    case.step(eight, model(8))
    case.call = Answered(500, 0.1)
    for _ in range(2):
        case.step(eight, model(9))
    assert case.snapshot.status["smokeTest"]["state"] == "Failed"
    assert "Stalled" not in reasons(case.step(eight, model(7)))
    assert operations(case.until_settled(eight, model(7))) == UPDATE


@pytest.mark.parametrize("policy", ["Retain", "Delete"])
def test_a_deletion_takes_the_stand_along(policy: str) -> None:
    """Nothing retains what only a test needed."""
    snapshot = Snapshot(KEY, "u", "1", 1, deleting=True, finalizers=(FINALIZER,))

    def decide(stand: EndpointFact) -> Plan:
        return plan_deletion(snapshot, policy, Remains(stand=stand, stand_name="s", stand_config="c"), "name", SETTINGS, NOW)

    busy = decide(LiveEndpoint(EndpointState.BUSY, "Creating", "c", BEFORE))
    assert (busy.actions, busy.finalizer) == ((), True)
    assert operations(decide(LiveEndpoint(EndpointState.IN_SERVICE, "InService", "c", BEFORE))) == ["DeleteEndpoint"]
    gone = decide(NoEndpoint())
    assert policy == "Delete" or (operations(gone), gone.requeue, gone.finalizer) == (["DeleteEndpointConfig"], Done(), False)
