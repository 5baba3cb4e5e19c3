"""What is collected when a config comes into service, beside what has to be announced: no refusal leaves anything forgotten."""

from __future__ import annotations

from sagemaker_gitops.api.model_endpoint import Autoscaling
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.batch import Step, postponed
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelEndpointFacts, NoEndpoint, Owned, Scalable
from sagemaker_gitops.core.kinds.model_endpoint.scaling import wanted_of
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from tests.unit.core.endpoint_case import LATEST, NOW, SETTINGS, TENANT, Case, model, operations

LEFT = Owned(("team-a-digits-config-a",), ("team-a-digits-model-a",))
SCALING = {"minCapacity": 1, "maxCapacity": 4, "targetInvocationsPerInstance": 70}
SCALED = {"name": "all", "model": LATEST, "autoscaling": SCALING}
REGISTERED = {"all": wanted_of(read(Autoscaling, SCALING))}


def test_what_is_not_needed_goes_in_a_pass_that_announces_nothing() -> None:
    """Else status would say InService before the deletions, and after a refusal nobody would look for the rest."""
    case = Case(variants=[SCALED])
    case.decide(NoEndpoint(), model(7))
    first = case.decide(case.live(model(7)), model(7), scaling=dict[str, Scalable](), strays=LEFT)
    assert operations(first) == ["RegisterScalableTarget", "PutScalingPolicy"]
    assert (first.status["phase"], first.requeue) == ("Updating", After(5.0))
    second = case.decide(case.live(model(7)), model(7), scaling=REGISTERED, strays=LEFT)
    assert operations(second) == ["DeleteEndpointConfig", "DeleteModel"]
    assert second.status["phase"] == "InService"


def test_what_served_before_stays_in_history_until_it_goes() -> None:
    case = Case(variants=[SCALED], rollback={"historyLimit": 0})
    case.decide(case.live(model(7)), model(7), scaling=REGISTERED)
    first = case.decide(case.live(model(8)), model(8), scaling=dict[str, Scalable]())
    assert [item["config"] for item in first.status["history"]] == [case.config(model(7))]
    second = case.decide(case.live(model(8)), model(8), scaling=REGISTERED)
    assert operations(second) == ["DeleteEndpointConfig", "DeleteModel"]
    assert "history" not in second.status


def test_a_batch_job_waits_for_the_pass_after_the_deletions() -> None:
    case = Case()
    here = Pass(case.snapshot, case.spec, ModelEndpointFacts(TENANT), SETTINGS, NOW)
    step = Step({"jobName": "new", "state": "InProgress"}, (AwsRequest("sagemaker", "CreateTransformJob", "new", {}),))
    deletion = AwsRequest("sagemaker", "DeleteModel", "old", {})
    assert postponed(here, Plan({}, OnEvent(), (deletion,)), step) == Step({}, (), After(0.0))
    assert postponed(here, Plan({}, OnEvent()), step) is step
    stop = Step({"jobName": "new"}, (AwsRequest("sagemaker", "StopTransformJob", "new", {}),))
    assert postponed(here, Plan({}, OnEvent(), (deletion,)), stop) is stop


def test_an_endpoint_is_ready_when_what_hangs_on_it_is_there() -> None:
    """Registering announces itself first, and that must not say Ready yet; what is put back beside what serves takes Ready from nobody."""
    case = Case(variants=[SCALED])
    case.decide(NoEndpoint(), model(7))
    first = case.decide(case.live(model(7)), model(7), scaling=dict[str, Scalable]())
    assert (operations(first), first.status["phase"]) == (["RegisterScalableTarget", "PutScalingPolicy"], "Updating")
    assert first.status["scalableTargets"]
    second = case.decide(case.live(model(7)), model(7), scaling=REGISTERED)
    assert (operations(second), second.status["phase"]) == ([], "InService")
    again = case.decide(case.live(model(7)), model(7), scaling=dict[str, Scalable]())
    assert (operations(again), again.status["phase"]) == (["RegisterScalableTarget", "PutScalingPolicy"], "InService")
