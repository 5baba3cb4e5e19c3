"""Serverless variants: start on demand, scale to zero, a limit of concurrent requests, their exclusions and what they cost."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED, HostingKit, only_variant
from service_kit import until

from local_aws.cost import CostMeter

CONFIG = {"MemorySizeInMB": 2048, "MaxConcurrency": 2}
# The process writes its id when it loads the model; a request waits for the file `gate`.
TOLD = """
import os, time
def model_fn(folder):
    with open("{folder}/pids", "a") as pids:
        pids.write(str(os.getpid()) + "\\n")
def transform_fn(model, data, content_type, accept):
    with open("{folder}/seen", "a") as seen:
        seen.write("x")
    while not os.path.exists("{folder}/gate"):
        time.sleep(0.01)
    return data, "text/plain"
"""


def serverless(kit: HostingKit, model: str | None = None, **changes: Any) -> str:
    variant = {"VariantName": "AllTraffic", "ModelName": model or kit.model("s"), "ServerlessConfig": CONFIG | changes}
    return kit.config(variant)


def told(kit: HostingKit, folder: Path, **changes: Any) -> str:
    """A serverless endpoint whose model writes into `folder`."""
    return kit.serving(serverless(kit, kit.model(script=TOLD.format(folder=folder)), **changes))


def pids(folder: Path) -> list[int]:
    return [int(line) for line in (folder / "pids").read_text().split()]


def runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def fall_asleep(kit: HostingKit) -> None:
    kit.world.clock.advance(kit.world.settings["endpoints.serverlessIdleSeconds"])


def test_it_scales_to_zero_and_starts_on_demand(kit: HostingKit, tmp_path: Path) -> None:
    """No process is left after the idle time; the next request starts a new one and is answered by it."""
    (tmp_path / "gate").touch()
    name = told(kit, tmp_path)
    (first,) = pids(tmp_path)
    assert kit.invoke(name, "1")["text"] == "1"
    fall_asleep(kit)
    until(lambda: not runs(first), "the end of the process")
    assert kit.described(name)["EndpointStatus"] == "InService"
    assert [kit.invoke(name, body)["text"] for body in "23"] == ["2", "3"]
    assert len(pids(tmp_path)) == 2
    assert runs(pids(tmp_path)[1])


def test_use_keeps_it_awake(kit: HostingKit, tmp_path: Path) -> None:
    """The idle time begins anew with each request."""
    (tmp_path / "gate").touch()
    name = told(kit, tmp_path)
    for _ in range(4):
        kit.world.clock.advance(kit.world.settings["endpoints.serverlessIdleSeconds"] * 0.6)
        kit.invoke(name)
    assert len(pids(tmp_path)) == 1


def test_more_requests_than_max_concurrency_are_throttled(kit: HostingKit, tmp_path: Path) -> None:
    """The third of three at once; when one has ended there is room again, and a larger limit takes effect in place."""
    name = told(kit, tmp_path)
    answers: list[str] = []
    callers = [threading.Thread(target=lambda: answers.append(kit.invoke(name)["text"])) for _ in range(2)]
    for caller in callers:
        caller.start()
    until(lambda: (tmp_path / "seen").exists() and (tmp_path / "seen").read_text() == "xx", "two requests under way")
    with pytest.raises(ClientError) as caught:
        kit.once("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")
    assert caught.value.response["Error"]["Code"] == "ThrottlingException"
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    kit.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "ServerlessUpdateConfig": {"MaxConcurrency": 3}}]
    )
    kit.settled(name)
    third = threading.Thread(target=lambda: answers.append(kit.invoke(name)["text"]))
    third.start()
    until(lambda: (tmp_path / "seen").read_text() == "xxx", "three requests under way")
    (tmp_path / "gate").touch()
    for caller in (*callers, third):
        caller.join(10)
    assert answers == ["x"] * 3


def test_provisioned_concurrency_stays_warm(kit: HostingKit, tmp_path: Path) -> None:
    """The process outlives the idle time."""
    (tmp_path / "gate").touch()
    name = told(kit, tmp_path, ProvisionedConcurrency=1)
    kit.invoke(name)
    fall_asleep(kit)
    fall_asleep(kit)
    assert kit.invoke(name)["text"] == "x"
    assert len(pids(tmp_path)) == 1
    assert only_variant(kit.described(name))["CurrentServerlessConfig"]["ProvisionedConcurrency"] == 1


def test_requests_are_paid_for_not_hours(kit: HostingKit) -> None:
    """An idle hour costs nothing; what requests took is charged by memory when it goes to sleep."""
    name = kit.serving(serverless(kit))

    def charged() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = kit.world.cost.report()["charges"]
        return [charge for charge in found if charge["name"].startswith(name) and charge["unit_seconds"] > 0]

    kit.world.clock.advance(3600)
    assert charged() == []
    kit.invoke(name)
    (charge,) = charged()
    assert charge["unit"] == "serverless.2048MB"
    assert 0 < charge["unit_seconds"] < 10
    fall_asleep(kit)
    until(lambda: len(charged()) == 1, "the settled charge")
    assert charged()[0]["usd"] == pytest.approx(charged()[0]["unit_seconds"] * 2 * 0.00002)


def test_a_report_never_loses_what_is_just_being_settled(kit: HostingKit, monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests' time is in the report once, also while a variant goes to sleep."""
    name = kit.serving(serverless(kit))
    kit.invoke(name)
    reports: list[dict[str, Any]] = []
    reader = threading.Thread(target=lambda: reports.append(kit.world.cost.report()))
    charge = CostMeter.instances

    def read_meanwhile(meter: CostMeter, *arguments: Any) -> None:
        if not reader.ident:
            reader.start()
            reader.join(0.5)
        charge(meter, *arguments)

    monkeypatch.setattr(CostMeter, "instances", read_meanwhile)
    fall_asleep(kit)
    until(lambda: bool(reports), "the report")
    assert len([each for each in reports[0]["charges"] if each["name"].startswith(name) and each["unit_seconds"] > 0]) == 1


def test_a_model_that_does_not_start_fails_the_creation(kit: HostingKit) -> None:
    """Containers are tried when the endpoint is created."""
    name = kit.endpoint(serverless(kit, kit.model(script="raise RuntimeError('x')\n")))
    described = kit.settled(name)
    assert described["EndpointStatus"] == "Failed"
    assert "did not pass the ping health check" in described["FailureReason"]


def test_a_body_is_limited_to_4_mib(kit: HostingKit) -> None:
    """Two less than on instances."""
    name = kit.serving(serverless(kit))
    with pytest.raises(ClientError, match="less than or equal to 4194304"):
        kit.invoke(name, b"x" * 4_194_305)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"VpcConfig": {"SecurityGroupIds": ["sg-1"], "Subnets": ["subnet-1"]}}, "VpcConfig of model"),
        ({"EnableNetworkIsolation": True}, "EnableNetworkIsolation of model"),
    ],
)
def test_models_that_need_a_network_of_their_own_are_refused(kit: HostingKit, changes: dict[str, Any], message: str) -> None:
    """As the guide's list of exclusions says; on instances they run."""
    model = kit.model(**changes)
    with pytest.raises(ClientError, match=f"{message} {model} is not supported for serverless"):
        serverless(kit, model)
    kit.config(kit.variant(model=model))


def test_pipelines_are_refused(kit: HostingKit) -> None:
    """One container may be written as a list, two are a pipeline."""
    one = kit.client("sagemaker").describe_model(ModelName=kit.model())["PrimaryContainer"]
    for containers, refused in (([one], False), ([one, one], True)):
        name = kit.name("model")
        kit.client("sagemaker").create_model(ModelName=name, Containers=containers)
        if refused:
            with pytest.raises(ClientError, match=r"Containers \(an inference pipeline\) of model"):
                serverless(kit, name)
        else:
            serverless(kit, name)


@pytest.mark.parametrize("member", ["VolumeSizeInGB", "EnableSSMAccess"])
def test_members_of_instances_are_refused(kit: HostingKit, member: str) -> None:
    """There is no instance that they could be about."""
    variant = {"VariantName": "AllTraffic", "ModelName": kit.model(), "ServerlessConfig": CONFIG, member: 1 if "Size" in member else True}
    with pytest.raises(ClientError, match=f"{member} is not supported for serverless"):
        kit.config(variant)


def test_provisioned_concurrency_is_at_most_max_concurrency(kit: HostingKit) -> None:
    """The API reference's rule."""
    with pytest.raises(ClientError, match="must not exceed its MaxConcurrency of 2"):
        serverless(kit, ProvisionedConcurrency=3)


def test_instances_do_not_become_serverless(kit: HostingKit) -> None:
    """The other way round is possible, once: nothing changes when it is refused."""
    name = kit.serving()
    before = kit.described(name)["EndpointConfigName"]
    with pytest.raises(ClientError, match=r"\(ValidationException\).*can't be updated to ServerlessConfig"):
        kit.update(name, serverless(kit))
    assert kit.described(name)["EndpointConfigName"] == before
    other = kit.serving(serverless(kit))
    kit.update(other, kit.config())
    assert only_variant(kit.settled(other))["CurrentInstanceCount"] == 1
    with pytest.raises(ClientError, match="can't be updated to ServerlessConfig"):
        kit.update(other, serverless(kit))


def test_guardrails_of_serverless_variants(kit: HostingKit) -> None:
    """Blue/green with all traffic at once or a canary works, a rolling update does not."""
    name = kit.serving(serverless(kit))
    size = {"Type": "CAPACITY_PERCENT", "Value": 50}
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": size, "WaitIntervalInSeconds": 0}}
    with pytest.raises(ClientError, match="RollingUpdatePolicy is not supported for serverless"):
        kit.update(name, serverless(kit), DeploymentConfig=rolling)
    routing = {"Type": "CANARY", "CanarySize": size, "WaitIntervalInSeconds": 0}
    new = serverless(kit, kit.model("new"))
    kit.update(name, new, DeploymentConfig={"BlueGreenUpdatePolicy": {"TrafficRoutingConfiguration": routing}})
    assert kit.settled(name)["EndpointConfigName"] == new
    assert kit.invoke(name)["text"] == "new:x"


def test_a_rolling_update_needs_a_single_variant(kit: HostingKit) -> None:
    """The guide's other exclusion."""
    two = [kit.config(kit.variant("a"), kit.variant("b")) for _ in range(2)]
    name = kit.serving(two[0])
    rolling = {"RollingUpdatePolicy": {"MaximumBatchSize": {"Type": "CAPACITY_PERCENT", "Value": 50}, "WaitIntervalInSeconds": 0}}
    with pytest.raises(ClientError, match="not supported for endpoints with several production variants"):
        kit.update(name, two[1], DeploymentConfig=rolling)


def test_a_sleeping_container_that_no_longer_starts_is_unavailable_until_it_does(kit: HostingKit, tmp_path: Path) -> None:
    """503, and the next request tries again."""
    broken = tmp_path / "broken"
    loading = f"    import os\n    assert not os.path.exists({str(broken)!r})\n    return open"
    name = kit.serving(serverless(kit, kit.model("s", script=NAMED.replace("    return open", loading))))
    fall_asleep(kit)
    broken.touch()
    once = kit.once("sagemaker-runtime")

    def status() -> int:
        try:
            answer = once.invoke_endpoint(EndpointName=name, Body=b"x", ContentType="text/csv")
        except ClientError as error:
            answer = error.response
        found: int = answer["ResponseMetadata"]["HTTPStatusCode"]
        return found

    until(lambda: status() == 503, "a refused start")
    broken.unlink()
    assert status() == 200
