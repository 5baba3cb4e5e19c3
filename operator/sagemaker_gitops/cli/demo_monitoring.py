"""The demo's last part: a served forecast is watched, drifts, is trained again once, and a person's approval closes the loop."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

from sagemaker_gitops.cli.demo_endpoint import approve, ready_of, until
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.ledger import Ledger
from sagemaker_gitops.cli.local_account import BUCKET, client
from sagemaker_gitops.cli.local_clock import wait_until
from sagemaker_gitops.cli.progress import doing, say
from sagemaker_gitops.cli.sandbox import NAMESPACE, ROOT, Sandbox

SAMPLE = ROOT / "manifests" / "samples" / "fees"
NAME, VARIANT, DATA, ACTUALS = "fees", "blue", f"s3://{BUCKET}/raw/fees/", "actuals/fees"
HORIZON, CONTEXT, STRIDE, FORECASTS = 30, 60, 3, 12  # points, points, points between two requests, requests of a period
REAL, WHOLE = 309, 609  # points of the series: as measured, and with what came later at half the pace
LAST = HORIZON + STRIDE * (FORECASTS - 1)
HELD_OUT, DRIFTED, AFTER = REAL - LAST, REAL + 22, WHOLE - LAST  # where the first request of a period stands
THRESHOLD, RATE = 0.35, 0.5  # of the sample's alarm
PERIOD = timedelta(seconds=61)  # an alarm counts the worst of a period once; the shortest one is a minute
CAPTURE_SECONDS = 60.0
METRICS = "SageMakerGitOps"
COLORS = {"/threshold": "#1f77b4", "/mean_weighted_quantile_loss": "#ff7f0e", "/retrain": "#2ca02c"}
# The sample checks hourly; here an hour is a minute, and a person asks.
QUICK = {"spec": {"schedule": None, "window": "1m"}}
CREATED: Final = Counter(
    {
        "sagemaker:CreateTrainingJob": 2,
        "sagemaker:CreateProcessingJob": 8,  # two evaluations, that of the champion on the new data, five checks
        "sagemaker:CreateModelPackageGroup": 1,
        "sagemaker:CreateModelPackage": 2,
        "sagemaker:CreateModel": 2,
        "sagemaker:CreateEndpointConfig": 2,
        "sagemaker:CreateEndpoint": 1,
    }
)


@dataclass(slots=True)
class Loop:
    """The fees sample in a sandbox, from the first training to a threshold that has moved.

    What a person does is in `bring`, `waits` and `approve`; who works in another way overrides these (cli/gitops_watch.py).
    """

    sandbox: Sandbox
    ledger: Ledger
    asked: int = 0
    losses: list[float] = field(default_factory=list)

    def serve(self) -> None:
        """Train, approve, serve; the first check passes. CommandError when anything is not as promised."""
        with doing("statsmodels' sunspots to s3://team-a-ml/raw/fees/, and manifests/samples/fees"):
            self._upload()
            self.bring()
            run = self._run("fees/1")
        say(f"    trained: {run['metric']}")
        with doing("approved, served, asked"):
            self.approve("1")
            self._serves("1")
            self.ask(HELD_OUT)
        self._expect(self.check(), "Passing", bad=False)

    def bring(self) -> None:
        """The sample as it is, but a window of a minute, and checks when somebody asks."""
        self.sandbox.kubectl("apply", "-k", str(SAMPLE))
        self.sandbox.kubectl("patch", "mp", NAME, "-n", NAMESPACE, "--type=merge", "-p", json.dumps(QUICK))

    def waits(self) -> str:
        """Until the endpoint says that it waits for a person; what it says."""
        return str(ready_of(until(self.sandbox, lambda status: ready_of(status).get("reason") == "AwaitingApproval", name=NAME))["message"])

    def approve(self, version: str) -> None:
        """That this version may serve."""
        approve(self.sandbox, NAME)

    @contextmanager
    def drifting(self) -> Iterator[None]:
        """Three periods in which the process runs at half its pace, while other things go on; all three checks must be bad."""
        self._upload("--slower")
        found: list[dict[str, Any]] = []
        failed: list[Exception] = []

        def drift() -> None:
            try:
                for number in range(3):
                    if found:
                        wait_until(self.sandbox.clock, datetime.fromisoformat(found[-1]["lastCheck"]["moment"]) + PERIOD)
                    self.ask(DRIFTED + number)
                    found.append(self.check())
            except Exception as error:  # told where the thread is joined
                failed.append(error)

        thread = threading.Thread(target=drift, daemon=True)
        thread.start()
        yield
        with doing("three periods of drift"):
            thread.join()
        if failed:
            raise failed[0]
        for number, status in enumerate(found, 1):
            self._expect(status, "Breached" if number == 3 else "Passing", bad=True)

    def retrain(self) -> None:
        """One retrain, better than what serves, which serves until a person has approved."""
        with doing("one retrain, judged against the model that serves on the newest points"):
            run = self._run("fees/2")
        asked = run["provenance"]["retrain"]
        say(f"    {asked['metric']} {asked['value']} > {asked['threshold']}: {run['metric']}, {self._gate(run)}")
        with doing("it waits for a person"):
            words = self.waits()
        say(f"    {words}")
        if self._endpoint()["live"] != "1":
            raise CommandError("a version that nobody approved serves")

    def close(self) -> None:
        """Approved by a person, rolled out, checked: the threshold has moved."""
        with doing("approved and rolled out"):
            self.approve("2")
            self._serves("2")
            self._policy(lambda status: status.get("model") == "fees/2")
            time.sleep(1.5)  # what the model before may have answered is not held against this one
            self.ask(AFTER)
        last = self.check()
        self._expect(last, "Passing", bad=False)
        self._settled(last)

    def created(self) -> Counter[str]:
        """What it cost: the creating calls for everything named fees. CommandError if there is one too many."""
        created = self.ledger.created(name=NAME)
        for operation, count in sorted(created.items()):
            say(f"    {count:>3}  {operation}")
        if created != CREATED:
            raise CommandError(f"the loop created {dict(created)}, {dict(CREATED)} is what it takes")
        return created

    def picture(self, file: Path) -> None:
        """What CloudWatch was told, as a PNG: threshold blue, loss orange, retrains green."""
        cloudwatch = client(self.sandbox.aws_url, "cloudwatch")
        told = cloudwatch.list_metrics(Namespace=METRICS)["Metrics"]
        lines = [
            [
                METRICS,
                item["MetricName"],
                *(word for pair in item["Dimensions"] for word in (pair["Name"], pair["Value"])),
                {"color": color},
            ]
            for ending, color in COLORS.items()
            for item in told
            if item["MetricName"].endswith(ending) and (ending != "/threshold" or len(item["Dimensions"]) == 1)
        ]
        widget = {
            "metrics": lines,
            "period": 60,
            "stat": "Maximum",
            "start": f"-PT{math.ceil(15 * self.sandbox.speed)}M",
            "title": "fees",
            "width": 900,
            "height": 400,
        }
        file.write_bytes(cloudwatch.get_metric_widget_image(MetricWidget=json.dumps(widget))["MetricWidgetImage"])

    def ask(self, first: int) -> None:
        """FORECASTS requests from the origin `first` on, as an application makes them, what truly followed, and both as captured."""
        runtime, endpoint, values = client(self.sandbox.aws_url, "sagemaker-runtime"), self._endpoint()["endpointName"], self._series()
        self.asked += 1
        ids = {f"fees-{self.asked}-{origin}": origin for origin in range(first, first + STRIDE * FORECASTS, STRIDE)}
        for event, origin in ids.items():
            instance = {"start": "1700-01-01 00:00:00", "target": values[origin - CONTEXT : origin]}
            body = json.dumps({"instances": [instance], "configuration": {"quantiles": ["0.05", "0.5", "0.95"]}})
            runtime.invoke_endpoint(
                EndpointName=endpoint, ContentType="application/json", Accept="application/json", Body=body.encode(), InferenceId=event
            )
        lines = [
            json.dumps({"eventId": event, "step": step, "value": values[origin + step - 1]})
            for event, origin in ids.items()
            for step in range(1, HORIZON + 1)
        ]
        s3 = client(self.sandbox.aws_url, "s3")
        s3.put_object(Bucket=BUCKET, Key=f"{ACTUALS}/{self.asked}.jsonl", Body="\n".join(lines).encode())
        self._until_captured(endpoint, list(ids))

    def check(self) -> dict[str, Any]:
        """Ask for a check now; the policy's status after it."""
        nonce = f"{self.asked}"
        self.sandbox.kubectl("annotate", "--overwrite", "mp", NAME, "-n", NAMESPACE, f"sagemaker-gitops.dev/check-now={nonce}")
        return self._policy(lambda status: status.get("lastHandledCheckNow") == nonce and "running" not in status)

    def _expect(self, status: dict[str, Any], phase: str, *, bad: bool) -> None:
        last = status["lastCheck"]
        metric: dict[str, Any] = next(iter(last.get("metrics") or ()), {})
        loss, threshold = metric.get("value"), status["alarms"][0]["threshold"]
        points = metric.get("sampleSize")
        say(f"    check {last['state']}: loss {loss} of {points} points, {status['breaches']} bad, {status['phase']}, {last['model']}")
        if loss is None or status["phase"] != phase or (float(loss) > float(threshold)) != bad:
            raise CommandError(f"the check should be {'bad' if bad else 'good'} and the policy {phase}: {json.dumps(status)}")
        self.losses.append(float(loss))

    def _settled(self, status: dict[str, Any]) -> None:
        """The breach is over, and half the way to the better loss is gone."""
        moved, wanted = float(status["threshold"]), self.losses[-1] + RATE * (THRESHOLD - self.losses[-1])
        say(f"    threshold {THRESHOLD} -> {moved:.4f}; the breach is over")
        if "episode" in status or abs(moved - wanted) > 1e-3:
            raise CommandError(f"the threshold should be {wanted}, and no breach open: {json.dumps(status)}")

    def _gate(self, run: dict[str, Any]) -> str:
        return f"champion {run['champion']}" if "champion" in run else "no champion"

    def _run(self, model: str) -> dict[str, Any]:
        def holds(status: dict[str, Any]) -> bool:
            if status.get("phase") in ("Failed", "GateRejected", "Stopped", "Invalid"):
                raise CommandError(f"the run ended as {status['phase']}: {status.get('failure') or status.get('conditions')}")
            return status.get("model") == model and status.get("phase") == "Succeeded"

        return until(self.sandbox, holds, "trainingrun", NAME)

    def _serves(self, version: str) -> None:
        until(self.sandbox, lambda status: status.get("phase") == "InService" and status.get("live") == version, name=NAME)

    def _policy(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        return until(self.sandbox, holds, "monitorpolicy", NAME)

    def _endpoint(self) -> dict[str, Any]:
        return dict(self.sandbox.get("modelendpoint", NAME)["status"])

    def _upload(self, *options: str) -> None:
        command = [sys.executable, str(SAMPLE / "upload.py"), DATA, *options]
        subprocess.run(command, env={**os.environ, **self.sandbox.environment()}, check=True, stdout=subprocess.DEVNULL)

    def _series(self) -> list[float]:
        found = client(self.sandbox.aws_url, "s3").get_object(Bucket=BUCKET, Key="raw/fees/series.jsonl")["Body"].read()
        target: list[float] = json.loads(found)["target"]
        return target

    def _until_captured(self, endpoint: str, events: Sequence[str]) -> None:
        """SageMaker writes what it captured in files, a while after the requests."""
        sagemaker, s3 = client(self.sandbox.aws_url, "sagemaker"), client(self.sandbox.aws_url, "s3")
        bucket, _, prefix = sagemaker.describe_endpoint(EndpointName=endpoint)["DataCaptureConfig"]["DestinationS3Uri"][5:].partition("/")
        deadline = time.monotonic() + CAPTURE_SECONDS
        while time.monotonic() < deadline:
            objects = s3.list_objects_v2(Bucket=bucket, Prefix=prefix).get("Contents", ())
            text = b"".join(s3.get_object(Bucket=bucket, Key=item["Key"])["Body"].read() for item in objects)
            if all(f'"{event}"'.encode() in text for event in events):
                time.sleep(1.0)  # inferenceTime is in whole seconds, and a window ends before its last one
                return
            time.sleep(0.3)
        raise CommandError(f"the endpoint captured nothing of {events[0]} within {CAPTURE_SECONDS:.0f} s")
