"""Models, endpoints and transform jobs as public clients use them: what ACK's controller and moto's users rely on.

Written from the facts of aws-controllers-k8s/sagemaker-controller (manifests and end-to-end tests, run against AWS) and of moto's
tests of the same operations; the README of local_aws lists where moto differs, and why.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError
from target import Target

SCRIPT = "def model_fn(f): return 0\ndef transform_fn(m, data, c, a): return data, 'text/csv'\n"
TAGS = [{"Key": "environment", "Value": "testing"}, {"Key": "customer", "Value": "test-user"}]
STABLE = {"InService", "Failed"}

Made = list[tuple[str, dict[str, str]]]


class Clients:
    """Makes resources as the manifests do, and deletes them in reverse order."""

    def __init__(self, target: Target, made: Made) -> None:
        self.target = target
        self.sagemaker = target.client("sagemaker")
        self._made = made

    def model(self, data: str | None = None) -> str:
        """A model of one container in a list, with a hostname, an image configuration and an environment."""
        name = self.target.name("model")
        container = {
            "ContainerHostname": "xgboost",
            "Image": self.target.image,
            "ImageConfig": {"RepositoryAccessMode": "Platform"},
            "ModelDataUrl": data or self.data(),
            "Environment": {"my_var": "my_value", "SAGEMAKER_PROGRAM": "inference.py"},
        }
        self.sagemaker.create_model(ModelName=name, Containers=[container], ExecutionRoleArn=self.target.role, Tags=TAGS)
        self._made.append(("delete_model", {"ModelName": name}))
        return name

    def data(self) -> str:
        body = io.BytesIO()
        with tarfile.open(fileobj=body, mode="w:gz") as archive:
            member = tarfile.TarInfo("code/inference.py")
            member.size = len(SCRIPT)
            archive.addfile(member, io.BytesIO(SCRIPT.encode()))
        return self.target.put(f"models/{self.target.name()}/model.tar.gz", body.getvalue())

    def variant(self, name: str, model: str, **changes: Any) -> dict[str, Any]:
        variant = {"VariantName": name, "ModelName": model, "InstanceType": "ml.c5.large", "InitialInstanceCount": 1}
        return variant | {"InitialVariantWeight": 1.0} | changes

    def config(self, *variants: dict[str, Any], **changes: Any) -> str:
        name = self.target.name("config")
        self.sagemaker.create_endpoint_config(EndpointConfigName=name, ProductionVariants=list(variants), Tags=TAGS, **changes)
        self._made.append(("delete_endpoint_config", {"EndpointConfigName": name}))
        return name

    def endpoint(self, config: str) -> str:
        name = self.target.name("endpoint")
        self.sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=config, Tags=TAGS)
        self._made.append(("delete_endpoint", {"EndpointName": name}))
        return name

    def settled(self, name: str) -> dict[str, Any]:
        describe = self.sagemaker.describe_endpoint
        self.target.wait(lambda: describe(EndpointName=name)["EndpointStatus"], STABLE)
        answer: dict[str, Any] = describe(EndpointName=name)
        return answer

    def transform(self, model: str, **changes: Any) -> dict[str, Any]:
        """The smallest request: content type, input, output and resources."""
        name = self.target.name("transform")
        self.target.put(f"batch/{name}/input-data/a.csv", b"1,2\n3,4\n")
        source = {"S3DataType": "S3Prefix", "S3Uri": f"s3://{self.target.bucket}/batch/{name}/input-data"}
        return {
            "TransformJobName": name,
            "ModelName": model,
            "TransformInput": {"ContentType": "text/csv", "DataSource": {"S3DataSource": source}},
            "TransformOutput": {"S3OutputPath": f"s3://{self.target.bucket}/batch/{name}/output"},
            "TransformResources": {"InstanceCount": 1, "InstanceType": "ml.m5.large"},
        } | changes

    def transformed(self, name: str) -> dict[str, Any]:
        describe = self.sagemaker.describe_transform_job
        self.target.wait(lambda: describe(TransformJobName=name)["TransformJobStatus"])
        answer: dict[str, Any] = describe(TransformJobName=name)
        return answer


@pytest.fixture
def clients(target: Target) -> Iterator[Clients]:
    made: Made = []
    clients = Clients(target, made)
    yield clients
    for operation, name in reversed(made):
        if operation == "delete_endpoint":
            clients.settled(name["EndpointName"])
        getattr(clients.sagemaker, operation)(**name)


@pytest.mark.live
def test_a_transform_job_from_the_smallest_manifest(clients: Clients, target: Target) -> None:
    """In progress at first, completed in the end, with its tags and one result for the object."""
    request = clients.transform(clients.model(), Tags=TAGS)
    name = request["TransformJobName"]
    arn = clients.sagemaker.create_transform_job(**request)["TransformJobArn"]
    assert clients.sagemaker.describe_transform_job(TransformJobName=name)["TransformJobStatus"] == "InProgress"
    assert clients.sagemaker.list_tags(ResourceArn=arn)["Tags"] == TAGS
    described = clients.transformed(name)
    assert described["TransformJobStatus"] == "Completed"
    assert described["TransformStartTime"] <= described["TransformEndTime"]
    body = target.client("s3").get_object(Bucket=target.bucket, Key=f"batch/{name}/output/a.csv.out")["Body"].read()
    assert body == b"1,2\n3,4\n"


@pytest.mark.live
def test_a_transform_job_that_is_deleted_is_stopped(clients: Clients) -> None:
    """A controller that deletes a running job calls Stop: Stopping or Stopped, never InProgress again, and still described."""
    request = clients.transform(clients.model())
    clients.sagemaker.create_transform_job(**request)
    clients.sagemaker.stop_transform_job(TransformJobName=request["TransformJobName"])
    now = clients.sagemaker.describe_transform_job(TransformJobName=request["TransformJobName"])["TransformJobStatus"]
    assert now in ("Stopping", "Stopped")
    assert clients.transformed(request["TransformJobName"])["TransformJobStatus"] == "Stopped"


@pytest.mark.live
def test_describe_repeats_a_whole_transform_request(clients: Clients) -> None:
    """Every member that moto's users look at comes back as it was sent."""
    request = clients.transform(
        clients.model(),
        MaxConcurrentTransforms=1,
        ModelClientConfig={"InvocationsTimeoutInSeconds": 60, "InvocationsMaxRetries": 1},
        MaxPayloadInMB=1,
        BatchStrategy="SingleRecord",
        Environment={"a": "b"},
        DataProcessing={"InputFilter": "$[1:]", "OutputFilter": "$[0]", "JoinSource": "None"},
    )
    request["TransformInput"] |= {"SplitType": "Line", "CompressionType": "None"}
    request["TransformOutput"] |= {"Accept": "text/csv", "AssembleWith": "Line"}
    clients.sagemaker.create_transform_job(**request)
    described = clients.transformed(request["TransformJobName"])
    for member in request.keys() - {"TransformOutput"}:
        assert described[member] == request[member], member
    assert described["TransformOutput"].items() >= request["TransformOutput"].items()


def test_transform_jobs_are_paged_before_they_are_filtered_by_status(clients: Clients) -> None:
    """A page may be short or empty and still carry a token; an unknown status and a bad token are refused."""
    model, mark = clients.model(), clients.target.name("page")
    for number in range(3):
        request = clients.transform(model, TransformJobName=f"{mark}-{number}")
        clients.sagemaker.create_transform_job(**request)
        clients.transformed(f"{mark}-{number}")
    listing = clients.sagemaker.list_transform_jobs
    page = listing(NameContains=mark, SortOrder="Ascending", MaxResults=1)
    assert [job["TransformJobName"] for job in page["TransformJobSummaries"]] == [f"{mark}-0"]
    page = listing(NameContains=mark, SortOrder="Ascending", MaxResults=2, NextToken=page["NextToken"])
    assert [job["TransformJobName"] for job in page["TransformJobSummaries"]] == [f"{mark}-1", f"{mark}-2"]
    assert "NextToken" not in page
    page = listing(NameContains=mark, StatusEquals="Failed", MaxResults=1)
    assert (page["TransformJobSummaries"], "NextToken" in page) == ([], True)
    with pytest.raises(ClientError, match="Value 'blah' at 'statusEquals' failed to satisfy constraint: Member must satisfy enum"):
        listing(StatusEquals="blah")
    with pytest.raises(ClientError, match="ValidationException"):
        listing(NextToken="asdf")


@pytest.mark.live
def test_an_endpoint_is_created_updated_in_vain_updated_and_deleted(clients: Clients, target: Target) -> None:
    """The controller's own sequence: the failed update leaves the old config and a FailureReason, the next one clears it."""
    data = clients.data()
    model, faulty = clients.model(), clients.model(data)
    target.client("s3").delete_object(Bucket=target.bucket, Key=data.removeprefix(f"s3://{target.bucket}/"))
    one = clients.config(clients.variant("variant-1", model))
    name = clients.endpoint(one)
    assert clients.sagemaker.describe_endpoint(EndpointName=name)["EndpointStatus"] in ("Creating", "InService")
    arn = clients.settled(name)["EndpointArn"]
    assert clients.sagemaker.list_tags(ResourceArn=arn)["Tags"] == TAGS
    change = [{"VariantName": "variant-1", "DesiredInstanceCount": 2}]
    clients.sagemaker.update_endpoint_weights_and_capacities(EndpointName=name, DesiredWeightsAndCapacities=change)
    clients.settled(name)

    broken = clients.config(clients.variant("variant-1", faulty))
    clients.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=broken, RetainAllVariantProperties=True)
    described = clients.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", one)
    assert data in described["FailureReason"]

    two = clients.config(clients.variant("variant-1", model), clients.variant("variant-2", model))
    clients.sagemaker.update_endpoint(EndpointName=name, EndpointConfigName=two, RetainAllVariantProperties=True)
    described = clients.settled(name)
    assert (described["EndpointConfigName"], "FailureReason" in described) == (two, False)
    counts = {each["VariantName"]: each["CurrentInstanceCount"] for each in described["ProductionVariants"]}
    assert counts == {"variant-1": 2, "variant-2": 1}


@pytest.mark.live
def test_configs_of_the_manifests(clients: Clients) -> None:
    """Data capture with content types, two variants, a serverless one; pools of instance types are refused with their name."""
    model = clients.model()
    capture = {
        "EnableCapture": True,
        "DestinationS3Uri": f"s3://{clients.target.bucket}/datacapture",
        "InitialSamplingPercentage": 100,
        "CaptureOptions": [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}],
        "CaptureContentTypeHeader": {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]},
    }
    name = clients.config(clients.variant("AllTraffic", model), DataCaptureConfig=capture)
    assert clients.sagemaker.describe_endpoint_config(EndpointConfigName=name)["DataCaptureConfig"] == capture
    serverless = {"VariantName": "v", "ModelName": model, "ServerlessConfig": {"MemorySizeInMB": 1024, "MaxConcurrency": 10}}
    name = clients.config(serverless)
    (variant,) = clients.sagemaker.describe_endpoint_config(EndpointConfigName=name)["ProductionVariants"]
    assert variant.items() >= serverless.items()
    with pytest.raises(ClientError, match="ValidationException"):
        clients.config(serverless | {"ServerlessConfig": {"MemorySizeInMB": 1111, "MaxConcurrency": 10}})
    with pytest.raises(ClientError, match="Could not find model"):
        clients.config(clients.variant("AllTraffic", "no-such-model"))


def test_pools_of_instance_types_are_refused(clients: Clients) -> None:
    """AWS knows them; this local AWS says that it does not."""
    pools = [{"InstanceType": "ml.c5.large", "Priority": 1}, {"InstanceType": "ml.m5.large", "Priority": 2}]
    with pytest.raises(ClientError, match="InstancePools of production variant variant-1 is not supported in this local AWS"):
        clients.config({"VariantName": "variant-1", "ModelName": clients.model(), "InitialVariantWeight": 1.0, "InstancePools": pools})
