"""Approval is of an artifact: what took its place is not served, whoever lost the status meanwhile."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.facts import AwaitingApproval, Container, NoEndpoint, Resolved
from sagemaker_gitops.core.plan import After, OnEvent
from tests.unit.core.endpoint_case import IMAGE, Case, operations, reasons

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:model-package/digits/"


UPDATES = ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]


def link(version: int = 7, etag: str | None = "one", artifact: str = "") -> Container:
    uri = artifact or f"s3://team-a-ml/models/{version}/model.tar.gz"
    return Container(IMAGE, uri, {}, f"{ARN}{version}", looked_at=True, etag=etag)


def package(version: int = 7, etag: str | None = "one", artifact: str = "", served: str = "") -> Resolved:
    return Resolved(f"digits/{version}", (link(version, etag, artifact),), f"{ARN}{version}", served_etag=served)


@pytest.mark.capability("F10")
def test_the_artifact_is_recorded_when_it_is_first_served() -> None:
    """In status and on the SageMaker model; equal to it, everything goes on."""
    case = Case()
    made = case.decide(NoEndpoint(), package())
    assert made.status["artifacts"] == [
        {"model": "digits/7", "packageArn": f"{ARN}7", "uri": "s3://team-a-ml/models/7/model.tar.gz", "etag": "one"}
    ]
    create = made.actions[0]
    assert isinstance(create, AwsRequest)
    assert {"Key": naming.TAG_ARTIFACT, "Value": "one"} in create.parameters["Tags"]
    assert operations(case.decide(NoEndpoint(), package()))[-1] == "CreateEndpoint"


CHANGED = {
    "another object": package(etag="two"),
    "another place": package(artifact="s3://team-a-ml/models/other/model.tar.gz"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_another_object_under_an_approved_package_is_not_served(what: str) -> None:
    """Stalled with the fix; what serves goes on."""
    case = Case()
    case.decide(NoEndpoint(), package())
    case.decide(case.live(package()), package())
    case.decide(case.live(package()), package(8))
    case.decide(case.live(package(8)), package(8))
    made = case.decide(case.live(package(8)), CHANGED[what])
    assert (made.actions, made.requeue, reasons(made)["Stalled"]) == ((), OnEvent(), "True ArtifactChanged")
    assert "put the old object back, or register the new one as a version of its own" in made.status["conditions"][0]["message"]
    assert made.status["phase"] == "InService"
    assert operations(case.decide(case.live(package(8)), package())) == UPDATES


def test_a_lost_status_is_made_up_for_by_the_model() -> None:
    """The SageMaker model was made of the approved object."""
    made = Case().decide(NoEndpoint(), package(etag="two", served="one"))
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True ArtifactChanged")


def test_a_missing_artifact_is_said_before_an_endpoint_fails_with_it() -> None:
    """failure-modes.md C15."""
    made = Case().decide(NoEndpoint(), package(etag=None))
    assert (made.actions, made.requeue, reasons(made)["Reconciling"]) == ((), After(300.0), "True ArtifactMissing")


def test_a_serving_package_is_not_held_against_anything() -> None:
    """Nothing is looked at while nothing is to be made."""
    case = Case()
    case.decide(NoEndpoint(), package())
    unseen = Resolved("digits/7", (replace(link(etag=None), looked_at=False),), f"{ARN}7")
    assert reasons(case.decide(case.live(unseen), unseen))["Ready"] == "True InService"


def test_twenty_packages_are_remembered() -> None:
    """The newest first."""
    case = Case()
    for version in range(1, 25):
        case.decide(NoEndpoint(), package(version))
    assert [item["model"] for item in case.snapshot.status["artifacts"]] == [f"digits/{version}" for version in range(24, 4, -1)]


@pytest.mark.capability("F10")
def test_nothing_approved_left_does_not_take_production_down_and_brings_nothing_back() -> None:
    """Rejecting the last version says so; a deleted endpoint is not made again with it."""
    case = Case()
    case.decide(case.live())
    nothing = AwaitingApproval("no version of digits is approved")
    assert case.decide(case.live(), nothing).actions == ()
    assert case.decide(NoEndpoint(), nothing).actions == ()


def test_each_link_of_a_pipeline_is_bound_to_its_own_approval() -> None:
    """The scaler changed under its version; the classifier did not."""
    case = Case()
    pipeline = Resolved("digits/1+digits/2", (link(1), link(2)))
    made = case.decide(NoEndpoint(), pipeline)
    assert [item["model"] for item in made.status["artifacts"]] == ["digits/1", "digits/2"]
    (etag,) = [tag["Value"] for tag in made.actions[0].parameters["Tags"] if tag["Key"] == naming.TAG_ARTIFACT]  # type: ignore[union-attr]
    assert len(etag) == 64
    made = case.decide(NoEndpoint(), Resolved("digits/1+digits/2", (link(1, "two"), link(2))))
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True ArtifactChanged")
    assert "digits/1 was approved as" in made.status["conditions"][0]["message"]
    forgotten = Case().decide(NoEndpoint(), replace(pipeline, served_etag="another"))
    assert reasons(forgotten)["Stalled"] == "True ArtifactChanged"
