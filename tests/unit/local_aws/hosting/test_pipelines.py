"""Models of several containers: a chain or a choice; and what CreateModel takes, does and refuses."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED, HostingKit
from service_kit import ACCOUNT, IMAGE, REGION, ROLE, archive, until

ENDPOINTS = "/aws/sagemaker/Endpoints"
# Adds its own process to what came in, with the content type that it got.
TRACED = """
import os
def model_fn(folder):
    return open(os.path.join(folder, "name")).read()
def transform_fn(model, data, content_type, accept):
    print("asked", model)
    return f"{data}>{model}/{os.getpid()}/{content_type}/{accept}", "text/csv"
"""


def container(kit: HostingKit, title: str, script: str = TRACED, **changes: Any) -> dict[str, Any]:
    data = kit.put(f"chain/{kit.name()}.tar.gz", archive({"name": title, "code/inference.py": script}))
    return {"Image": IMAGE, "ModelDataUrl": data} | changes


def chain(kit: HostingKit, *containers: dict[str, Any], **changes: Any) -> str:
    name = kit.name("chain")
    kit.client("sagemaker").create_model(ModelName=name, ExecutionRoleArn=ROLE, Containers=list(containers), **changes)
    return name


def direct(kit: HostingKit) -> str:
    containers = [container(kit, title, ContainerHostname=title) for title in ("one", "two")]
    return kit.serving(kit.config(kit.variant(model=chain(kit, *containers, InferenceExecutionConfig={"Mode": "Direct"}))))


def test_three_containers_are_three_processes_in_a_row(kit: HostingKit) -> None:
    """The content type is the last answer's, the accept header the caller's; each has a log stream of its own."""
    model = chain(kit, *(container(kit, title, ContainerHostname=title) for title in ("one", "two", "three")))
    name = kit.serving(kit.config(kit.variant(model=model)))
    steps = [step.split("/") for step in kit.invoke(name, "7", Accept="text/plain")["text"].split(">")[1:]]
    assert [step[0] for step in steps] == ["one", "two", "three"]
    assert len({step[1] for step in steps}) == 3
    assert [step[3:] for step in steps] == [["csv", "text", "plain"]] * 3

    def streams() -> list[str]:
        found = kit.client("logs").describe_log_streams(logGroupName=f"{ENDPOINTS}/{name}")["logStreams"]
        return sorted(each["logStreamName"].rpartition("/")[2] for each in found)

    until(lambda: "asked" in kit.log(f"{ENDPOINTS}/{name}", "AllTraffic") and streams() == ["one", "three", "two"], "three log streams")


def test_a_container_that_fails_ends_the_chain(kit: HostingKit) -> None:
    """The error names it, and those behind it are not asked."""
    raises = "def model_fn(f): return 0\ndef transform_fn(m, d, c, a): raise ValueError('second')\n"
    containers = [container(kit, "one"), container(kit, "two", raises), container(kit, "three")]
    name = kit.serving(kit.config(kit.variant(model=chain(kit, *containers))))
    with pytest.raises(ClientError, match=r'Received server error \(500\) from container_2 with message "second'):
        kit.invoke(name)
    until(lambda: "asked one" in kit.log(f"{ENDPOINTS}/{name}", "AllTraffic"), "the first container's log")
    assert "asked three" not in kit.log(f"{ENDPOINTS}/{name}", "AllTraffic")


def test_direct_mode_asks_the_one_that_is_named(kit: HostingKit) -> None:
    """The others are not asked."""
    name = direct(kit)
    answer = kit.invoke(name, TargetContainerHostname="two")["text"]
    assert (answer.count(">"), answer.split(">")[1].split("/")[0]) == (1, "two")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({}, "Direct mode: TargetContainerHostname is required"), ({"TargetContainerHostname": "three"}, "has no container three")],
)
def test_direct_mode_needs_a_container(kit: HostingKit, changes: dict[str, str], message: str) -> None:
    """A ValidationError, not the whole chain."""
    with pytest.raises(ClientError, match=rf"\(ValidationError\).*{message}"):
        kit.invoke(direct(kit), **changes)


def test_a_chain_has_no_container_to_choose(kit: HostingKit) -> None:
    """TargetContainerHostname is about Direct mode."""
    name = kit.serving(kit.config(kit.variant(model=chain(kit, container(kit, "one", ContainerHostname="one")))))
    with pytest.raises(ClientError, match="has no container one that can be invoked directly"):
        kit.invoke(name, TargetContainerHostname="one")


@pytest.mark.parametrize(
    ("containers", "changes", "message"),
    [
        ([{}, {}], {"InferenceExecutionConfig": {"Mode": "Direct"}}, "for every container when the inference execution mode is Direct"),
        ([{"ContainerHostname": "a"}, {}], {}, "for every container of an inference pipeline or for none"),
        ([{"ContainerHostname": "a"}, {"ContainerHostname": "a"}], {}, "must be unique within a model"),
        ([], {}, "at least one container"),
        ([{}] * 16, {}, "Member must have length less than or equal to 15"),
        ([{"Mode": "MultiModel"}], {}, "Mode MultiModel is not supported in this local AWS"),
        ([{"MultiModelConfig": {"ModelCacheSetting": "Enabled"}}], {}, "MultiModelConfig is not supported"),
        ([{"InferenceSpecificationName": "x"}], {}, "InferenceSpecificationName is not supported"),
        ([{"ModelDataUrl": "https://host/x"}], {}, "Invalid ModelDataUrl"),
        ([{"ModelDataUrl": "s3://kit-bucket/absent.tar.gz"}], {}, "Could not find model data at s3://kit-bucket/absent.tar.gz"),
    ],
)
def test_models_that_cannot_run_are_refused(
    kit: HostingKit, containers: list[dict[str, Any]], changes: dict[str, Any], message: str
) -> None:
    """When they are created, with the member's name."""
    with pytest.raises(ClientError, match=rf"\(ValidationException\).*{message}"):
        chain(kit, *({"Image": IMAGE} | each for each in containers), **changes)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"ManifestS3Uri": "s3://kit-bucket/manifest"}, "ManifestS3Uri of an S3DataSource is not supported"),
        ({"S3Uri": "s3://kit-bucket/absent/"}, "Could not find model data at s3://kit-bucket/absent/"),
    ],
)
def test_model_data_sources_are_checked(kit: HostingKit, source: dict[str, str], message: str) -> None:
    """As ModelDataUrl is; both at once is a contradiction."""
    data = {"S3Uri": kit.put("source/x/file", "x"), "S3DataType": "S3Object", "CompressionType": "None"} | source
    with pytest.raises(ClientError, match=message):
        chain(kit, {"Image": IMAGE, "ModelDataSource": {"S3DataSource": data}})
    with pytest.raises(ClientError, match="only one of ModelDataUrl and ModelDataSource"):
        chain(kit, container(kit, "x", ModelDataSource={"S3DataSource": data}))


def test_a_single_container_may_be_written_as_a_list(kit: HostingKit) -> None:
    """As the ACK controller's manifests do; the mode of execution needs the list."""
    assert kit.invoke(kit.serving(kit.config(kit.variant(model=chain(kit, container(kit, "only", NAMED))))))["text"] == "only:x"
    with pytest.raises(ClientError, match="InferenceExecutionConfig is only allowed for a model with Containers"):
        kit.model(InferenceExecutionConfig={"Mode": "Serial"})


def test_additional_model_data_lies_beside_the_model(kit: HostingKit) -> None:
    """Each source below /opt/ml/additional-model-data-sources, in a folder of its channel's name."""
    script = """
import os
def model_fn(folder):
    base = os.path.join(os.environ["SAGEMAKER_BASE_DIR"], "additional-model-data-sources")
    return " ".join(sorted(os.path.relpath(os.path.join(at, each), base) for at, _, names in os.walk(base) for each in names))
def transform_fn(model, data, content_type, accept):
    return model, "text/plain"
"""
    for path in ("a.txt", "deep/b.txt"):
        kit.put(f"additional/{path}", "x")
    packed = kit.put("additional-packed.tar.gz", archive({"c.txt": "x"}))
    sources = [
        {"S3Uri": "s3://kit-bucket/additional/", "S3DataType": "S3Prefix", "CompressionType": "None"},
        {"S3Uri": packed, "S3DataType": "S3Object", "CompressionType": "Gzip"},
    ]
    additional = [{"ChannelName": f"part{number}", "S3DataSource": source} for number, source in enumerate(sources)]
    model = kit.model(script=script, PrimaryContainer={"AdditionalModelDataSources": additional})
    assert kit.invoke(kit.serving(kit.config(kit.variant(model=model))))["text"] == "part0/a.txt part0/deep/b.txt part1/c.txt"
    with pytest.raises(ClientError, match="Channel names must be unique"):
        kit.model(PrimaryContainer={"AdditionalModelDataSources": [additional[0], additional[0]]})


@pytest.mark.parametrize("isolated", [False, True])
def test_a_config_isolates_its_containers(kit: HostingKit, *, isolated: bool) -> None:
    """EnableNetworkIsolation of the configuration: they get no credentials, whatever the model says."""
    script = "import os\ndef model_fn(f): return 0\ndef transform_fn(m, d, c, a): return str('AWS_ACCESS_KEY_ID' in os.environ), a\n"
    config = kit.config(kit.variant(model=kit.model(script=script)), EnableNetworkIsolation=isolated)
    assert kit.invoke(kit.serving(config))["text"] == str(not isolated)


@pytest.mark.parametrize("member", ["AcceleratorType", "VariantInstanceProvisionTimeoutInSeconds"])
def test_members_of_a_variant_that_would_do_nothing_are_refused(kit: HostingKit, member: str) -> None:
    """Elastic Inference is gone; the timeout belongs to InstancePools."""
    value: Any = "ml.eia2.medium" if member == "AcceleratorType" else 600
    with pytest.raises(ClientError, match=f"{member} of production variant AllTraffic is not supported"):
        kit.config(kit.variant(**{member: value}))


def test_an_asynchronous_config_needs_a_place_for_its_results(kit: HostingKit) -> None:
    """S3OutputPath, in S3, and a single variant."""
    with pytest.raises(ClientError, match=r"AsyncInferenceConfig\.OutputConfig\.S3OutputPath is required"):
        kit.config(AsyncInferenceConfig={"OutputConfig": {}})
    with pytest.raises(ClientError, match=r"Invalid AsyncInferenceConfig\.OutputConfig\.S3FailurePath"):
        kit.config(AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://kit-bucket/x", "S3FailurePath": "https://x/y"}})
    with pytest.raises(ClientError, match="can have only one production variant"):
        kit.config(kit.variant("a"), kit.variant("b"), AsyncInferenceConfig={"OutputConfig": {"S3OutputPath": "s3://kit-bucket/x"}})


def test_arns_name_region_and_account(kit: HostingKit) -> None:
    """As every client expects of CreateModel."""
    name = kit.name("model")
    arn = kit.client("sagemaker").create_model(ModelName=name, PrimaryContainer={"Image": IMAGE})["ModelArn"]
    assert arn == f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:model/{name}"
