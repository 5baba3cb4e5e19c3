"""The demo's second half: the two registered models behind one endpoint, asked with images that neither has been trained on."""

from __future__ import annotations

import csv
import io
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import client
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.cli.sandbox import NAMESPACE, ROOT, Sandbox

SAMPLE = ROOT / "manifests" / "samples" / "digits-endpoint"
NAME, RUN, GROUP = "digits", "digits", "digits"
IMAGES, SECONDS = 200, 90.0
LEAST_ACCURACY = 0.9


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: share of right answers, and how many requests each variant answered."""

    accuracy: float
    split: Counter[str]

    def __str__(self) -> str:
        shares = " ".join(f"{name} {count}" for name, count in sorted(self.split.items()))
        return f"{IMAGES} test images: {self.accuracy:.3f} right, answered by {shares}"


def serve(sandbox: Sandbox, ledger: Ledger) -> dict[str, Any]:
    """Apply, approve, ask, shift the shares, ask again. CommandError when anything is not as promised."""
    with doing("kubectl apply -k manifests/samples/digits-endpoint"):
        sandbox.kubectl("apply", "-k", str(SAMPLE))
        until(sandbox, lambda status: ready_of(status).get("reason") == "AwaitingApproval")
    say(f"    {ready(sandbox).get('message')}")
    with doing("both versions approved in the registry"):
        approve(sandbox)
        until(sandbox, lambda status: status.get("phase") == "InService")
    images = test_images(sandbox)
    before = _ask(sandbox, images)
    say(f"    90 : 10 - {before}")
    position = ledger.position()
    with doing("weights edited to 50 : 50"):
        variants = sandbox.get("modelendpoint", NAME)["spec"]["variants"]
        patch = {"spec": {"variants": [variant | {"weight": 0.5} for variant in variants]}}
        sandbox.kubectl("patch", "mep", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))
        until(sandbox, lambda status: {item.get("liveWeight") for item in status.get("variants", ())} == {"0.5"})
    after = _ask(sandbox, images)
    say(f"    50 : 50 - {after}")
    created = ledger.created(position, NAME)
    if created:
        raise CommandError(f"a change of weights created {dict(created)}")
    for answers in (before, after):
        if answers.accuracy < LEAST_ACCURACY:
            raise CommandError(f"the endpoint is right for {answers.accuracy:.3f} of the test images, less than {LEAST_ACCURACY}")
    return {"accuracy": before.accuracy, "split": {"90:10": dict(before.split), "50:50": dict(after.split)}}


def test_images(sandbox: Sandbox) -> list[tuple[int, str]]:
    """(label, pixels as one CSV line) of the first IMAGES rows of the run's test data, scaled back to what a camera would send."""
    steps = {step["name"]: step for step in sandbox.get("trainingrun", RUN)["status"]["steps"]}
    outputs = steps["prepare"]["outputs"]
    statistics = json.loads(_read(sandbox, f"{outputs['train']}statistics.json"))["features"]
    rows = csv.reader(io.StringIO(_read(sandbox, f"{outputs['test']}test.csv")))
    found = []
    for label, *scaled in list(rows)[:IMAGES]:
        pixels = (float(value) * (item["max"] - item["min"]) + item["min"] for value, item in zip(scaled, statistics, strict=True))
        found.append((int(float(label)), ",".join(f"{pixel:g}" for pixel in pixels)))
    return found


def _ask(sandbox: Sandbox, images: list[tuple[int, str]]) -> Answers:
    """One request for each image, as an application would make it."""
    runtime, endpoint = client(sandbox.aws_url, "sagemaker-runtime"), status_of(sandbox)["endpointName"]
    right, split = 0, Counter[str]()
    for label, pixels in images:
        answer = runtime.invoke_endpoint(EndpointName=endpoint, ContentType="text/csv", Accept="text/csv", Body=pixels.encode())
        right += int(float(answer["Body"].read())) == label
        split[answer["InvokedProductionVariant"]] += 1
    return Answers(right / len(images), split)


def approve(sandbox: Sandbox, group: str = GROUP) -> None:
    """What somebody with the right to do so does in the registry; the operator never approves for anybody."""
    sagemaker = client(sandbox.aws_url, "sagemaker")
    for package in sagemaker.list_model_packages(ModelPackageGroupName=group)["ModelPackageSummaryList"]:
        sagemaker.update_model_package(ModelPackageArn=package["ModelPackageArn"], ModelApprovalStatus="Approved")


def _read(sandbox: Sandbox, uri: str) -> str:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    content: bytes = client(sandbox.aws_url, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
    return content.decode()


def status_of(sandbox: Sandbox) -> dict[str, Any]:
    """The endpoint's status as it is now."""
    return dict(sandbox.get("modelendpoint", NAME).get("status", {}))


def ready(sandbox: Sandbox) -> dict[str, Any]:
    """The Ready condition as it is now."""
    return ready_of(status_of(sandbox))


def ready_of(status: dict[str, Any]) -> dict[str, Any]:
    """The Ready condition of a status."""
    return next((dict(item) for item in status.get("conditions", ()) if item["type"] == "Ready"), {})


def until(sandbox: Sandbox, holds: Callable[[dict[str, Any]], bool], kind: str = "modelendpoint", name: str = NAME) -> dict[str, Any]:
    """The status, once it is about the newest spec and `holds`; CommandError after SECONDS."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        found = sandbox.get(kind, name)
        status: dict[str, Any] = found.get("status", {})
        if status.get("observedGeneration") == found["metadata"]["generation"] and holds(status):
            return status
        time.sleep(0.2)
    raise CommandError(f"{kind} {name} did not get there within {SECONDS:.0f} s: {ready_of(status) or status}")
