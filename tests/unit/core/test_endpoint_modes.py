"""Ways of serving: inference pipelines, serverless, asynchronous. Requests, names, and what AWS or the Tenant forbids."""

from __future__ import annotations

from typing import Any

import pytest

from sagemaker_gitops.core.kinds.model_endpoint.facts import Container, LiveVariant, NoEndpoint, Resolved
from sagemaker_gitops.core.plan import OnEvent
from tests.tenants import TEAM_A, bound
from tests.unit.core.endpoint_case import IMAGE, LATEST, Case, model, operations, parameters, reasons

SERVERLESS = {"variants": [{"name": "all", "model": LATEST, "serverless": {"memorySizeInMB": 2048, "maxConcurrency": 5}}]}
ON_DEMAND = {"all": LiveVariant(1.0, 0, serverless=True)}
PIPELINE = Resolved("scale:1+digits/7", (Container(IMAGE, environment={"A": "b"}), Container(IMAGE, "s3://team-a-ml/m.tar.gz")))
TOPIC = "arn:aws:sns:eu-central-1:123456789012:team-a-answers"


def message(made: Any) -> str:
    found: str = next(item["message"] for item in made.status["conditions"] if item["type"] == "Stalled")
    return found


def test_names_of_what_serves_already_stay() -> None:
    """A name that changed with a release would roll out every endpoint anew."""
    found = Resolved("digits/7", (Container("image", "s3://a/b", {"X": "y"}),), package_arn="arn")
    case = Case(
        executionRoleArn="arn:aws:iam::123456789012:role/team-a/serving",
        dataCapture={"initialSamplingPercentage": 10, "captureModes": ["Input"]},
        overrides={"createModel": {"EnableNetworkIsolation": True}},
    )
    serving = case.serving(found)
    assert serving.config_name == "team-a-digits-config-la4trcdnni"
    assert serving.model_name(case.spec.variants[0]) == "team-a-digits-model-rysc6gvqdi"


def test_one_container_is_primary_and_several_are_a_pipeline_in_order() -> None:
    """CreateModel has a member for each."""
    single = parameters(Case().decide(NoEndpoint()), "CreateModel")
    assert (single["PrimaryContainer"]["Image"], "Containers" in single) == (IMAGE, False)
    made = Case().decide(NoEndpoint(), PIPELINE)
    several = parameters(made, "CreateModel")
    assert "PrimaryContainer" not in several
    assert several["Containers"] == [
        {"Image": IMAGE, "Environment": {"A": "b"}},
        {"Image": IMAGE, "ModelDataUrl": "s3://team-a-ml/m.tar.gz"},
    ]
    assert (made.status["variants"][0]["model"], made.status["split"]) == ("scale:1+digits/7", "all=scale:1+7:100%")


def test_the_order_of_a_pipeline_is_content() -> None:
    """Turned around, it is another model."""
    turned = Resolved(PIPELINE.label, tuple(reversed(PIPELINE.containers)))
    assert Case().config(PIPELINE) != Case().config(turned)


def test_every_container_stands_under_the_fence() -> None:
    """Those of the spec with their paths, those that a package brings too."""
    containers = [{"image": "elsewhere/a", "artifact": "s3://elsewhere/a.tar.gz"}, {"image": IMAGE}]
    made = Case(variants=[{"name": "all", "model": {"containers": containers}}]).decide(NoEndpoint())
    assert made.actions == ()
    assert "spec.variants[0].model.containers[0].image" in message(made)
    assert "spec.variants[0].model.containers[0].artifact" in message(made)
    assert "containers[1]" not in message(made)
    hidden = Resolved("digits/7", (Container(IMAGE), Container("elsewhere/b")))
    assert 'spec.variants[0].model: "elsewhere/b"' in message(Case().decide(NoEndpoint(), hidden))


def test_packages_can_make_a_pipeline_too_long() -> None:
    """AWS takes fifteen."""
    assert "has 16 containers" in message(Case().decide(NoEndpoint(), Resolved("digits/7", (Container(IMAGE),) * 16)))


def test_serverless_has_neither_machines_nor_key() -> None:
    """Memory and concurrency, and the Tenant's default key left out."""
    key = "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab"
    with_key = bound(allow=TEAM_A["allow"] | {"kmsKeyArns": [key]}, defaults=TEAM_A["defaults"] | {"kmsKeyArn": key})
    made = Case(with_key, **SERVERLESS).decide(NoEndpoint())
    config = parameters(made, "CreateEndpointConfig")
    assert "KmsKeyId" not in config
    (variant,) = config["ProductionVariants"]
    assert variant["ServerlessConfig"] == {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    assert {"InstanceType", "InitialInstanceCount"}.isdisjoint(variant)
    assert "instances" not in made.status["variants"][0]


def test_serverless_needs_no_instance_type() -> None:
    """Neither its own nor the Tenant's."""
    none = bound(defaults=TEAM_A["defaults"] | {"instanceTypes": None})
    assert "Stalled" not in reasons(Case(none, **SERVERLESS).decide(NoEndpoint()))


def test_concurrency_and_memory_are_content_and_the_count_is_never_corrected() -> None:
    """A serverless variant at rest asks for nothing; its weight is still ours."""
    case = Case(**SERVERLESS)
    more = [{**SERVERLESS["variants"][0], "serverless": {"memorySizeInMB": 2048, "maxConcurrency": 6}}]
    assert len({Case().config(), case.config(), Case(variants=more).config()}) == 3
    assert case.decide(case.live(variants=ON_DEMAND)).actions == ()
    shares = parameters(
        case.decide(case.live(variants={"all": LiveVariant(0.5, 0, serverless=True)})), "UpdateEndpointWeightsAndCapacities"
    )
    assert shares["DesiredWeightsAndCapacities"] == [{"VariantName": "all", "DesiredWeight": 1.0}]


def test_an_endpoint_with_instances_does_not_become_serverless() -> None:
    """AWS refuses it; what serves goes on, and the way out is named."""
    case = Case()
    case.decide(case.live())
    serving = case.live()
    case.edit(**SERVERLESS)
    made = case.decide(serving)
    assert (made.actions, made.requeue) == ((), OnEvent())
    assert (made.status["phase"], reasons(made)["Stalled"]) == ("InService", "True NotConvertible")
    assert message(made).startswith("spec.variants[0].serverless: ")


def test_a_serverless_endpoint_gets_instances_without_keeping_counts() -> None:
    """It has none to keep: the config's are taken."""
    case = Case(**SERVERLESS)
    case.decide(case.live(variants=ON_DEMAND))
    serving = case.live(variants=ON_DEMAND)
    case.edit()
    update = parameters(case.decide(serving), "UpdateEndpoint")
    assert {"RetainAllVariantProperties", "ExcludeRetainedVariantProperties"}.isdisjoint(update)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"require": ["vpc"]}, "spec.variants[0].serverless"),
        ({"require": ["kms"]}, "spec.variants[0].serverless"),
        ({"defaults": TEAM_A["defaults"] | {"network": {"isolation": True}}}, "spec.network"),
    ],
)
def test_what_the_tenant_wants_and_serverless_lacks_is_refused(changes: dict[str, Any], path: str) -> None:
    """A requirement cannot be met; a default is given up by writing so."""
    made = Case(bound(**changes), **SERVERLESS).decide(NoEndpoint())
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True TenantPolicy")
    assert message(made).startswith(f"{path}: ")


def test_a_default_network_is_given_up_by_writing_so() -> None:
    """network: {} is none."""
    isolated = bound(defaults=TEAM_A["defaults"] | {"network": {"isolation": True}})
    assert "CreateEndpoint" in operations(Case(isolated, network={}, **SERVERLESS).decide(NoEndpoint()))


def test_a_registered_pipeline_is_not_served_serverless() -> None:
    """Only the registry shows that a package is one."""
    assert "is an inference pipeline" in message(Case(**SERVERLESS).decide(NoEndpoint(), PIPELINE))


def test_async_is_in_the_config_and_its_output_under_the_artifact_prefix() -> None:
    """The address of the queue is the url."""
    wanted = {"maxConcurrentInvocationsPerInstance": 4, "successTopicArn": TOPIC, "failure": "s3://team-a-ml/failures/"}
    made = Case(**{"async": wanted}).decide(NoEndpoint())
    config = parameters(made, "CreateEndpointConfig")["AsyncInferenceConfig"]
    output = "s3://team-a-ml/artifacts/team-a/digits/async/"
    assert config == {
        "OutputConfig": {
            "S3OutputPath": output,
            "S3FailurePath": "s3://team-a-ml/failures/",
            "NotificationConfig": {"SuccessTopic": TOPIC},
        },
        "ClientConfig": {"MaxConcurrentInvocationsPerInstance": 4},
    }
    assert made.status["effective"]["async"] == {"output": output}
    assert made.status["url"].endswith("/async-invocations")


def test_a_change_of_async_is_another_config() -> None:
    """AWS takes it with a new config only."""
    assert len({Case().config(), Case(**{"async": {}}).config(), Case(**{"async": {"output": "s3://team-a-ml/b/"}}).config()}) == 3


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"output": "s3://elsewhere/"}, "spec.async.output"),
        ({"failure": "s3://elsewhere/"}, "spec.async.failure"),
        ({"successTopicArn": TOPIC.replace("123456789012", "999999999999")}, "spec.async.successTopicArn"),
        ({"errorTopicArn": TOPIC.replace("eu-central-1", "eu-west-1")}, "spec.async.errorTopicArn"),
    ],
)
def test_answers_stay_behind_the_fence(wanted: dict[str, Any], path: str) -> None:
    """Folders of the Tenant, topics of its account and region."""
    made = Case(**{"async": wanted}).decide(NoEndpoint())
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True TenantPolicy")
    assert message(made).startswith(f"{path}: ")


def test_a_topic_in_overrides_is_fenced_too() -> None:
    """The escape hatch is no hole."""
    topic = {
        "AsyncInferenceConfig": {"OutputConfig": {"NotificationConfig": {"SuccessTopic": TOPIC.replace("123456789012", "999999999999")}}}
    }
    assert "SuccessTopic" in message(Case(overrides={"createEndpointConfig": topic}).decide(NoEndpoint(), model()))
