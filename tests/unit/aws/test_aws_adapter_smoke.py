"""The smoke test's calls: what is sent to which variant, what each answer means, and that nothing is asked when no test is due."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.model_reference import ModelReference
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.aws.clients import RUNTIME_CONFIG, RUNTIME_KEPT
from sagemaker_gitops.aws.kinds.hosting import look_at_endpoint, resolve
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.references import ConfigMap
from sagemaker_gitops.aws.kinds.smoke import look_at_stand, smoke
from sagemaker_gitops.aws.port import SECONDS
from sagemaker_gitops.core.errors import AwsFailure, Category, ModelFailure
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Answered,
    AwaitingApproval,
    Call,
    Container,
    EndpointState,
    LiveEndpoint,
    ModelEndpointFacts,
    NoEndpoint,
    Refused,
    Resolved,
    SmokeFacts,
    Unanswered,
)
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.model_endpoint.smoke import stand_config, stand_name
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from tests.unit.aws.aws_adapter_fakes import ACCOUNT, REGION, ROLE, Answer, FakeAws, refused, scope
from tests.unit.aws.aws_adapter_server import AwsServer, Response
from tests.unit.aws.test_aws_adapter_clients import Case

KEY = Key("ModelEndpoint", "team-a", "digits")
NOW = datetime(2026, 11, 21, tzinfo=UTC)
TENANT = Bound(
    "team-a",
    read(
        TenantSpec,
        {
            "namespaces": ["team-a"],
            "account": ACCOUNT,
            "region": REGION,
            "roleArn": ROLE,
            "allow": {"executionRoleArns": [ROLE], "s3Prefixes": ["s3://team-a-ml/"], "images": ["serve*"], "instanceTypes": ["ml.*"]},
            "defaults": {"executionRoleArn": ROLE, "artifactPrefix": "s3://team-a-ml/", "instanceTypes": {"hosting": "ml.m5.large"}},
        },
    ),
)
TEST: dict[str, Any] = {"payload": {"configMapRef": {"name": "sample", "key": "a.csv"}}, "contentType": "text/csv"}


@dataclass
class Maps:
    """The part of References that a smoke test reads."""

    files: Mapping[str, bytes] | None = field(default_factory=lambda: {"a.csv": b"1,2\n"})

    async def config_map(self, namespace: str, name: str) -> ConfigMap | None:
        return None if self.files is None else ConfigMap(self.files, {})


def serving_of(variants: tuple[str, ...], test: Mapping[str, Any] | None) -> Serving:
    given = [{"name": name, "model": {"image": "serve"}} for name in variants]
    spec = read(ModelEndpointSpec, {"variants": given} | ({"smokeTest": test} if test else {}))
    facts = ModelEndpointFacts(TENANT, {name: Resolved("serve", (Container("serve"),)) for name in variants})
    return build_serving(Pass(Snapshot(KEY, "u", "1", 1), spec, facts, Settings(install="i"), NOW))


def looked(aws: FakeAws, maps: Maps | None = None, *variants: str, test: Mapping[str, Any] | None = TEST, stand: str = "") -> SmokeFacts:
    """One sight whose stand is in service with the config that the test needs, or with `stand`."""
    serving = serving_of(variants or ("all",), test)
    live = LiveEndpoint(EndpointState.IN_SERVICE, "InService", stand or stand_config(KEY, serving.config_name), NOW)
    facts = ModelEndpointFacts(TENANT, endpoint=NoEndpoint(), smoke=SmokeFacts(stand=live))
    look = Look(aws, scope(kind="ModelEndpoint"), Snapshot(KEY, "u", "1", 1), serving, NOW, maps or Maps())  # type: ignore[arg-type]
    return asyncio.run(smoke(look, facts)).smoke


def answering(*seconds: float) -> FakeAws:
    left = list(seconds)
    return FakeAws(lambda operation, parameters: {"Body": b"7", SECONDS: left.pop(0)})


def test_the_payload_goes_to_the_stand_as_it_is() -> None:
    """Body and content type; the only variant needs no target."""
    aws = answering(0.1)
    assert looked(aws).calls == {"all": Answered(200, 0.1)}
    assert aws.calls == [
        ("sagemaker-runtime:InvokeEndpoint", {"EndpointName": stand_name("i", KEY), "ContentType": "text/csv", "Body": b"1,2\n"})
    ]


def test_every_variant_is_called_by_name() -> None:
    """TargetVariant, whatever its weight."""
    aws = answering(0.1, 0.2)
    assert looked(aws, None, "blue", "green").calls == {"blue": Answered(200, 0.1), "green": Answered(200, 0.2)}
    assert [parameters["TargetVariant"] for _, parameters in aws.calls] == ["blue", "green"]


def test_the_quickest_of_three_counts() -> None:
    """A cold start is not the model's latency; what is quick at once is asked once."""
    slow = {**TEST, "expect": {"maxLatency": "2s"}}
    aws = answering(9.0, 3.0, 4.0)
    assert looked(aws, test=slow).calls == {"all": Answered(200, 3.0)}
    assert len(aws.calls) == 3
    aws = answering(9.0, 1.0)
    assert looked(aws, test=slow).calls == {"all": Answered(200, 1.0)}
    assert len(aws.calls) == 2


@pytest.mark.parametrize(
    ("answer", "call"),
    [
        (ModelFailure("division by zero", 500, 0.3), Answered(500, 0.3, "division by zero")),
        (refused(Category.TERMINAL, "ValidationError"), Refused("ValidationError: no")),
        (refused(Category.NOT_FOUND, "ValidationError"), Unanswered("ValidationError: no")),
        (refused(Category.THROTTLED, "ThrottlingException"), Unanswered("ThrottlingException: no")),
        (refused(Category.BLOCKED, "AccessDeniedException"), Unanswered("AccessDeniedException: no")),
    ],
)
def test_each_answer_has_its_meaning(answer: Answer, call: Call) -> None:
    """Only the model's own word and AWS's last word end a test; one call each."""
    aws = FakeAws(lambda operation, parameters: answer)
    assert looked(aws).calls == {"all": call}
    assert len(aws.calls) == 1


def test_without_a_payload_nothing_is_called() -> None:
    """And what is not there is named with its path."""
    aws = answering()
    assert "spec.smokeTest.payload.configMapRef.name: ConfigMap sample is not there" in looked(aws, Maps(None)).missing
    assert (
        "spec.smokeTest.payload.configMapRef.key: ConfigMap sample has no a.csv, it holds b.csv"
        in looked(aws, Maps({"b.csv": b""})).missing
    )
    assert aws.calls == []


def test_without_a_test_or_on_another_stand_nothing_is_called() -> None:
    """A stand with another config is not the version in question."""
    aws = answering()
    looked(aws, test=None)
    looked(aws, stand="another")
    assert aws.calls == []


def test_the_stand_is_looked_at_only_when_status_knows_one() -> None:
    """At rest a pass costs no call for it."""
    aws = FakeAws(lambda operation, parameters: refused(Category.NOT_FOUND))
    snapshot = Snapshot(KEY, "u", "1", 1)
    assert asyncio.run(look_at_stand(aws, scope(), snapshot, "i")) is None
    assert aws.calls == []
    known = Snapshot(KEY, "u", "1", 1, status={"smokeTest": {"endpoint": "x"}})
    assert asyncio.run(look_at_stand(aws, scope(), known, "i")) == NoEndpoint()


def test_a_models_error_is_no_failure_of_aws(server: AwsServer) -> None:
    """Its own status and words."""
    body = {"__type": "ModelError", "Message": "Received server error", "OriginalStatusCode": 503, "OriginalMessage": "busy"}
    server.answers["S3"] = lambda request: Response(424, json.dumps(body).encode())
    failure = Case(server).failure(service="sagemaker-runtime", operation="InvokeEndpoint", EndpointName="e", Body=b"1")
    assert isinstance(failure, ModelFailure)
    assert (failure.status, failure.message) == (503, "busy")


def test_an_answer_of_a_model_is_measured_and_not_kept(server: AwsServer) -> None:
    """It may be any size; AWS gives a model 60 s, and we wait a little longer."""
    server.answers["S3"] = lambda request: Response(body=b"x" * 1_000_000)
    answer = Case(server).call(service="sagemaker-runtime", operation="InvokeEndpoint", EndpointName="e", Body=b"1")
    assert (len(answer["Body"]), answer[SECONDS]) == (RUNTIME_KEPT, 0.0)
    assert RUNTIME_CONFIG.read_timeout > 60
    assert RUNTIME_CONFIG.retries["total_max_attempts"] == 1


def test_a_person_gets_the_whole_answer(server: AwsServer) -> None:
    """The command line asks under its own name, and reads it."""
    server.answers["S3"] = lambda request: Response(body=b"x" * 1_000_000)
    parameters = {"EndpointName": "e", "Body": b"1"}
    answer = asyncio.run(Case(server).clients.base_call(REGION, "sagemaker-runtime", "InvokeEndpoint", parameters))
    assert len(answer["Body"]) == 1_000_000


def test_other_services_answers_are_as_aws_gave_them(server: AwsServer) -> None:
    """Nothing is added to what is read elsewhere."""
    assert SECONDS not in Case(server).call()


def _package(approval: str = "Approved", *containers: dict[str, Any]) -> dict[str, Any]:
    return {
        "ModelApprovalStatus": approval,
        "ModelPackageVersion": 7,
        "ModelPackageArn": "arn",
        "InferenceSpecification": {"Containers": list(containers)},
    }


def _resolved(aws: FakeAws, model: Mapping[str, Any]) -> Any:
    wanted = ModelReference.model_validate(model)
    return asyncio.run(resolve(aws, scope(), Maps(), "team-a", wanted))  # type: ignore[arg-type]


def test_a_package_with_several_containers_is_a_pipeline() -> None:
    """In the registry's order."""
    aws = FakeAws(lambda operation, parameters: _package("Approved", {"Image": "a"}, {"Image": "b", "ModelDataUrl": "s3://m/x"}))
    found = _resolved(aws, {"package": {"group": "digits", "version": 7}})
    assert found.containers == (Container("a", package_arn="arn"), Container("b", "s3://m/x", package_arn="arn"))
    assert found.package_arn == "arn"


def test_a_pipeline_is_its_links_in_order() -> None:
    """Packages with all their containers; one that is not approved holds all back."""
    answers = [_package("Approved", {"Image": "b"}, {"Image": "c"}), _package("Rejected", {"Image": "b"})]
    aws = FakeAws(lambda operation, parameters: answers.pop(0))
    model = {"containers": [{"image": "repo/a:1", "environment": {"K": "v"}}, {"package": {"group": "digits", "version": 7}}]}
    found = _resolved(aws, model)
    assert found == Resolved(
        "a:1+digits/7",
        (Container("repo/a:1", None, {"K": "v"}), Container("b", package_arn="arn"), Container("c", package_arn="arn")),
        package_arns=("arn",),
    )
    assert isinstance(_resolved(aws, model), AwaitingApproval)


def test_a_serverless_variant_is_recognised() -> None:
    """By the member that only it has."""
    variant = {"VariantName": "all", "DesiredWeight": 1.0, "CurrentServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 1}}
    described = {"EndpointStatus": "InService", "LastModifiedTime": NOW, "ProductionVariants": [variant]}
    found = asyncio.run(look_at_endpoint(FakeAws(lambda operation, parameters: described), scope(), "e", "i", KEY, proven=True))
    assert isinstance(found, LiveEndpoint)
    assert (found.variants["all"].serverless, found.variants["all"].instances) == (True, 0)


def test_a_lost_answer_says_nothing_about_the_model(server: AwsServer) -> None:
    """Asked again later; no mutation is in doubt."""
    server.answers["S3"] = lambda request: Response(500, b"{}")
    failure = Case(server).failure(service="sagemaker-runtime", operation="InvokeEndpoint", EndpointName="e", Body=b"1")
    assert isinstance(failure, AwsFailure)
    assert (failure.category, failure.ambiguous) == (Category.TRANSIENT, False)
