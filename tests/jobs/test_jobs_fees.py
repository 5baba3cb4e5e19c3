"""The fees sample: manifests that build and fit each other, the forecaster by hand-computed cases, and its scripts up to the check."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import numpy as np
import pytest
import yaml
from jobs_loading import load
from monitoring_world import World, captured, moment, side

import backtest
import collect_window
import forecast
from local_cluster.release import cache_dir, pinned_release
from quality_metrics import forecast as monitored
from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.parse import parse
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec

ROOT = Path(__file__).resolve().parents[2]
FEES = ROOT / "manifests/samples/fees"
SAW = np.tile(np.arange(5.0), 40)  # repeats itself: whoever knows five values knows the rest


def spec(kind: str, file: str) -> Any:
    return parse(kind, yaml.safe_load((FEES / file).read_text())["spec"])


@pytest.fixture(scope="module")
def run() -> TrainingRunSpec:
    return cast("TrainingRunSpec", spec("TrainingRun", "training-run.yaml"))


@pytest.fixture(scope="module")
def policy() -> MonitorPolicySpec:
    return cast("MonitorPolicySpec", spec("MonitorPolicy", "monitor-policy.yaml"))


@pytest.fixture(scope="module")
def fees() -> ModuleType:
    """manifests/samples/fees/upload.py."""
    return load("manifests/samples/fees/upload.py")


def series(fees: ModuleType, folder: Path, *, slower: bool = False) -> Path:
    """The channel as a job has it."""
    folder.mkdir()
    (folder / "series.jsonl").write_bytes(fees.document(slower=slower))
    return folder


def trained(channel: Path, model: Path) -> Path:
    forecast.main(["--series", str(channel), "--model-dir", str(model)])
    return model


def loss_of(model: Path, channel: Path, output: Path) -> float:
    found = backtest.main(["--model", str(model), "--series", str(channel), "--output", str(output)])
    return float(found["forecast_metrics"]["mean_weighted_quantile_loss"]["value"])


def test_a_series_that_repeats_itself_is_known() -> None:
    model = forecast.fit([SAW], 5, 10, 4)
    made = forecast.forecast(model, SAW[:8], forecast.LEVELS)
    assert [made[level].tolist() for level in (*forecast.LEVELS, "mean")] == [SAW[8:18].tolist()] * 4
    shifted = forecast.forecast(model, SAW[:8] + 100.0, ("0.5",))["0.5"]
    assert shifted.tolist() == (SAW[8:18] + 100.0).tolist()


def test_the_loss_is_the_one_of_the_monitor_and_of_a_hand() -> None:
    """2 x pinball / sum of absolute actuals: of 10 and 20 with 12 and 14, level 0.5: (1 + 3) x 2 / 30."""
    actual = np.array([10.0, 20.0])
    quantiles = {"0.05": np.array([8.0, 21.0]), "0.5": np.array([12.0, 14.0]), "0.95": np.array([9.0, 30.0])}
    found = forecast.losses(actual, quantiles)
    assert found["0.5"] == pytest.approx(8 / 30)
    whole = monitored(actual, {float(level): values for level, values in quantiles.items()}, actual)
    assert found["mean"] == pytest.approx(whole["mean_weighted_quantile_loss"])
    assert found["0.05"] == pytest.approx(whole["weighted_quantile_loss_0.05"])


def test_validation_never_sees_what_it_forecasts() -> None:
    """A fold's model is made of the points before it: noise after a cut changes nothing that was measured before it."""
    noisy = SAW.copy()
    noisy[-10:] = 50.0
    seen: list[int] = []
    fit = forecast.fit

    def spy(given: Any, *numbers: int) -> forecast.Forecaster:
        seen.append(len(given[0]))
        return fit(given, *numbers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forecast, "fit", spy)
        assert forecast.expanding([SAW], 5, 10, 4, 3) == 0.0
        assert forecast.expanding([noisy], 5, 10, 4, 3) > 0.1
    assert seen == [170, 180, 190] * 2


def test_the_test_points_are_never_trained_on(tmp_path: Path, fees: ModuleType) -> None:
    channel = series(fees, tmp_path / "raw")
    before = forecast.model_fn(str(trained(channel, tmp_path / "one")))
    line = json.loads((channel / "series.jsonl").read_text())
    line["target"][-forecast.TEST :] = [0.0] * forecast.TEST
    (channel / "series.jsonl").write_text(json.dumps(line))
    after = forecast.model_fn(str(trained(channel, tmp_path / "two")))
    assert np.array_equal(before.followed, after.followed)


@pytest.mark.capability("G1", "G7", "G12")
def test_drift_breaks_the_alarm_and_a_retrain_beats_the_champion(
    tmp_path: Path, fees: ModuleType, run: TrainingRunSpec, policy: MonitorPolicySpec
) -> None:
    """The numbers that the demo goes by, without AWS: gate and threshold are between good and bad."""
    real, slower = series(fees, tmp_path / "real"), series(fees, tmp_path / "slower", slower=True)
    first, second = trained(real, tmp_path / "first"), trained(slower, tmp_path / "second")
    limit = next(gate.value for gate in run.gates if gate.value is not None)
    assert limit == policy.alarms[0].threshold.initial
    good, bad, better = (loss_of(*pair, tmp_path / "out") for pair in ((first, real), (first, slower), (second, slower)))
    assert better < good < limit < bad
    baseline = json.loads((tmp_path / "out/baseline.json").read_text())
    assert baseline["constraints"]["forecast_constraints"]["mean_weighted_quantile_loss"]["threshold"] == better


def test_an_archive_is_measured_as_its_folder(tmp_path: Path, fees: ModuleType) -> None:
    channel = series(fees, tmp_path / "raw")
    model = trained(channel, tmp_path / "model")
    with tarfile.open(tmp_path / "model.tar.gz", "w:gz") as archive:
        archive.add(model, arcname=".")
    assert loss_of(tmp_path / "model.tar.gz", channel, tmp_path / "a") == loss_of(model, channel, tmp_path / "b")
    with tarfile.open(tmp_path / "empty.tar.gz", "w:gz"):
        pass
    with pytest.raises(ValueError, match=r"holds no forecaster\.npz"):
        backtest.load(tmp_path / "empty.tar.gz")


def test_it_answers_as_deepar_does() -> None:
    model = forecast.fit([SAW], 5, 10, 4)
    request = {"instances": [{"start": "2026-01-01", "target": SAW[:8].tolist()}] * 2, "configuration": {"quantiles": ["0.1", "0.9"]}}
    given = forecast.input_fn(json.dumps(request), "application/json; charset=utf-8")
    answer = json.loads(forecast.output_fn(forecast.predict_fn(given, model), "application/json"))
    assert [set(item["quantiles"]) for item in answer["predictions"]] == [{"0.1", "0.9"}] * 2
    assert len(answer["predictions"][0]["mean"]) == 10
    given["configuration"]["output_types"] = ["quantiles"]
    assert [set(item) for item in forecast.predict_fn(given, model)] == [{"quantiles"}] * 2


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ("1,2", "text/csv", "send application/json"),
        ("{}", "application/json", "must be"),
        ('{"instances": [{"target": [1, 2]}]}', "application/json", "has 2 values, the model needs the last 5"),
        ('{"instances": [{"target": [1, null, 3, 4, 5]}]}', "application/json", "without gaps"),
    ],
)
def test_a_request_that_cannot_be_used_is_told_why(body: str, content_type: str, message: str) -> None:
    model = forecast.fit([SAW], 5, 10, 4)
    with pytest.raises(ValueError, match=message):
        forecast.predict_fn(forecast.input_fn(body, content_type), model)


def test_series_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"there are no \*\.jsonl"):
        forecast.read_series(tmp_path)
    (tmp_path / "a.jsonl").write_text('{"start": "2026", "target": [1]}\n{"start": "2026"}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl, line 2"):
        forecast.read_series(tmp_path)
    with pytest.raises(ValueError, match="0 examples of 15 points, 4 are needed"):
        forecast.fit([SAW[:14]], 5, 10, 4)


def invocation(number: int, minutes: float, encoding: str = "BASE64", horizon: int = 2) -> dict[str, Any]:
    """A captured forecast of `horizon` points that says 10 at every level."""
    given = {"instances": [{"start": "2026-01-01", "target": [8.0, 12.0]}]}
    answer = {"predictions": [{"quantiles": {level: [10.0] * horizon for level in forecast.LEVELS}}]}
    line = captured(number, given, answer, minutes, inferenceId=f"id-{number}")
    line["captureData"] = {
        "endpointInput": side(given, encoding, "application/json"),
        "endpointOutput": side(answer, encoding, "application/json"),
    }
    return line


@pytest.mark.capability("G7", "G8")
def test_the_window_is_collected_and_measured(world: World, policy: MonitorPolicySpec) -> None:
    """Joined by id, point by point; a forecast whose horizon is not whole waits; other windows and variants are left out."""
    assert policy.prepare is not None
    assert base64.b64decode(invocation(1, 1.0)["captureData"]["endpointOutput"]["data"])
    world.capture([invocation(1, 1.0), invocation(2, 2.0, "JSON"), invocation(3, 3.0), invocation(4, 61.0), invocation(1, 1.0)])
    world.capture([invocation(5, 5.0)], variant="green")
    points = [
        ("id-5", 1, 99.0),
        ("id-5", 2, 99.0),
        ("id-1", 1, 10.0),
        ("id-1", 2, 10.0),
        ("id-2", 2, 10.0),
        ("id-2", 1, 10.0),
        ("id-2", 1, 14.0),
        ("id-3", 1, 9.0),
    ]
    world.put("groundtruth/1.jsonl", [{"eventId": key, "step": step, "value": value} for key, step, value in points])
    world.put(f"source/{policy.prepare.entry_point}", (FEES / policy.prepare.entry_point).read_text())
    world.config |= {
        "prepare": {"entryPoint": policy.prepare.entry_point},
        "checks": [{"name": "loss", "type": "ModelQuality", "problemType": "Forecast", "metrics": ["mean_weighted_quantile_loss"]}],
    }
    report = world.report()
    assert (report["data"]["captured"], report["data"]["matched"], report["data"]["state"]) == (3, 2, "Available")
    # Actuals 10, 10, 14, 10 against 10: of 44 the losses are 2 x 4 x level.
    wanted = np.mean([2 * 4 * float(level) / 44 for level in forecast.LEVELS])
    assert report["metrics"][0]["value"] == pytest.approx(wanted)
    assert report["metrics"][0]["sampleSize"] == 4


def test_lines_that_are_cut_off_are_the_jobs_to_tell(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"a": 1}\n[1]\n{"a"')
    assert list(collect_window.lines_below(tmp_path)) == [{"a": 1}]
    assert collect_window.moment(moment()).utcoffset() is not None


def test_upload_makes_no_new_data_of_what_is_there(fees: ModuleType) -> None:
    import boto3
    from moto import mock_aws

    with mock_aws():
        client = boto3.client("s3", "eu-central-1", aws_access_key_id="a", aws_secret_access_key="b")
        client.create_bucket(Bucket="team-a-ml", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
        written = [fees.upload(client, "s3://team-a-ml/raw/fees/", fees.document(slower=slower)) for slower in (False, False, True)]
    assert written == [True, False, True]
    with pytest.raises(SystemExit, match="2"):
        fees.main(["s3://team-a-ml/raw/fees"])


def test_the_three_objects_fit_each_other(run: TrainingRunSpec, policy: MonitorPolicySpec) -> None:
    """The policy watches what serves the run's model, measures what the gates judge, and may read its data."""
    endpoint = cast("ModelEndpointSpec", spec("ModelEndpoint", "model-endpoint.yaml"))
    tenant = cast("TenantSpec", parse("Tenant", yaml.safe_load((FEES.parent / "tenant/tenant.yaml").read_text())["spec"]))
    assert endpoint.data_capture is not None
    assert policy.target.variant == endpoint.variants[0].name
    assert {gate.metric for gate in run.gates} == {policy.checks_[0].metrics[0]}
    assert policy.ground_truth is not None
    assert all(uri.startswith(tuple(tenant.allow.s3_prefixes)) for uri in (policy.ground_truth.s3_uri, run.inputs[0].s3_uri))


def test_kustomize_names_both_sources(run: TrainingRunSpec, policy: MonitorPolicySpec) -> None:
    """Run and policy follow the hashes of their ConfigMaps; the scripts are in them byte for byte."""
    kubectl = shutil.which("kubectl") or str(cache_dir(pinned_release()) / "kubectl")
    if not os.access(kubectl, os.X_OK):
        pytest.skip("no kubectl on PATH, and the sandbox has built none yet")
    done = subprocess.run([kubectl, "kustomize", str(FEES)], capture_output=True, text=True, check=True)
    built = {(item["kind"], item["metadata"]["name"]): item for item in yaml.safe_load_all(done.stdout)}
    for kind, names in {"TrainingRun": ("forecast.py", "backtest.py"), "MonitorPolicy": ("collect_window.py",)}.items():
        source = built[kind, "fees"]["spec"]["source"]["configMapRef"]["name"]
        code = built["ConfigMap", source]
        assert code["data"] == {name: (FEES / name).read_text() for name in names}
        assert code["metadata"]["labels"] == {"sagemaker-gitops.dev/source": "true"}


def test_the_forecaster_runs_as_a_job_runs_it(tmp_path: Path, fees: ModuleType) -> None:
    """A process of its own, with SageMaker's environment; the log says what the manifest's regex reads."""
    environment = {"SM_CHANNEL_SERIES": str(series(fees, tmp_path / "raw")), "SM_MODEL_DIR": str(tmp_path / "model")}
    command = [sys.executable, str(FEES / "forecast.py"), "--context", "22", "--horizon", "30", "--neighbours", "10"]
    done = subprocess.run(command, env=os.environ | environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("validation_loss=0.")
    assert (tmp_path / "model/code/forecast.py").read_text() == (FEES / "forecast.py").read_text()
