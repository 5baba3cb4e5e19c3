"""lint, render and graph on files: no cluster, no AWS, the operator's own words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sagemaker_gitops.cli.main import main

ROOT = Path(__file__).parents[3]
TENANT = str(ROOT / "manifests" / "samples" / "tenant" / "tenant.yaml")
RUN = """
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: TrainingRun
metadata: {name: digits, namespace: team-a}
spec:
  source: {configMapRef: {name: code}}
  inputs: [{name: raw, s3Uri: s3://team-a-ml/raw/}]
  train:
    framework: {name: sklearn, version: 1.2-1}
    entryPoint: train.py
    channels: [raw]
"""
CODE = """---
apiVersion: v1
kind: ConfigMap
metadata: {name: code, namespace: team-a}
data: {train.py: "print()"}
"""


def _write(folder: Path, text: str) -> str:
    path = folder / "run.yaml"
    path.write_text(text)
    return str(path)


def test_a_good_run_lints_clean(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 0 and nothing on stdout."""
    assert main(["lint", _write(tmp_path, RUN + CODE), TENANT]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (RUN.replace("1.2-1", "1.9-9"), "spec.train.framework: sklearn has no version 1.9-9: use one of"),
        (RUN.replace("s3://team-a-ml/raw/", "s3://team-b-ml/raw/"), 'spec.inputs[0].s3Uri: "s3://team-b-ml/raw/" is not allowed'),
        (RUN.replace("channels: [raw]", "channels: [rwa]"), "spec.train.channels"),
        (RUN.replace("entryPoint: train.py", "entryPoint: tain.py"), "tain.py is not in the source, which holds: train.py"),
        (RUN + "    maxRuntime: 90x\n", "spec.train.maxRuntime: must be a duration such as 90m"),
        (RUN + "  overrides: {createTrainingJob: {EnableNetworkIsolaton: true}}\n", "EnableNetworkIsolaton: is not a member of"),
        (RUN + "  overrides: {createTrainingJob: {RoleArn: x}}\n", "is set by the operator and cannot be overridden"),
        (RUN.replace("name: digits,", "name: My_Digits,"), 'metadata.name: "My_Digits": a lowercase RFC 1123 subdomain must consist of'),
        (RUN.partition("spec:")[0], "TrainingRun/team-a/digits: spec: Required value"),
        (
            RUN.replace("kind: TrainingRun", "kind: Trainingrun"),
            'no matches for kind "Trainingrun" in version "sagemaker-gitops.dev/v1alpha1"',
        ),
        (RUN.replace("dev/v1alpha1", "dev/v1"), 'apiVersion: no matches for kind "TrainingRun" in version "sagemaker-gitops.dev/v1"'),
    ],
)
def test_a_mistake_is_named_with_its_path(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    """Exit code 1, one line for each finding."""
    assert main(["lint", _write(tmp_path, text + CODE), TENANT]) == 1
    assert words in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a: [1, 2", "run.yaml:1: expected ',' or ']'"),
        ("a: 1\nb: c: d\n", "run.yaml:2: mapping values are not allowed here"),
        ("a: 1\n\tb: 2\n", "run.yaml:2: found character '\\t' that cannot start any token"),
        ("a: 1\nb: 2\na: 3\n", 'run.yaml:3: the key "a" is given twice'),
        ("a: *x\n", "run.yaml:1: found undefined alias 'x'"),
        ("a: &x [*x]\n", "nested more than 64 levels deep"),
        ("a: !!python/object/apply:os.system [ls]\n", "means nothing in a manifest: leave it out"),
        ("a: .nan\n", "run.yaml:1: .nan is no number in JSON"),
        ("[a, b]: 1\n", "run.yaml:1: a key must be a text"),
        ("a: \x01\n", "run.yaml:1: the character '\\x01' is not allowed"),
        ("- 1\n- 2\n", "no Kubernetes object"),
        ("apiVersion: v1\nkind: List\nitems: {a: 1}\n", "items of a List must be a list"),
        ("apiVersion: v1\nkind: List\nitems: [1]\n", "no Kubernetes object"),
        ("kind: Pod\n", "apiVersion is required"),
        ("apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n", "there is no TrainingRun, no ModelEndpoint, no MonitorPolicy and no Tenant"),
        (RUN.replace("{name: digits, namespace: team-a}", "digits"), "metadata must be an object"),
        (RUN.replace("name: digits,", ""), "metadata.name: Required value"),
        (RUN.replace("name: digits", "name: 2026"), "metadata.name must be a string: put quotes around it"),
        (RUN + CODE.replace('{train.py: "print()"}', "7"), "data must be an object"),
        (RUN + CODE.replace('"print()"', "7"), "data.train.py must be a text"),
        (RUN + CODE.replace("\ndata: {", "\nbinaryData: {"), "binaryData.train.py is not base64"),
    ],
)
def test_what_is_no_manifest_is_a_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, words: str) -> None:
    """Never a traceback."""
    assert main(["lint", _write(tmp_path, text)]) == 1
    assert words in capsys.readouterr().err


def test_a_missing_file_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 names the path."""
    assert main(["lint", "absent.yaml"]) == 2
    assert "absent.yaml" in capsys.readouterr().err


def test_numbers_are_read_as_kubectl_reads_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """1e-4 is a number there, and a date is a text."""
    text = RUN + "    hyperparameters: {learning_rate: 1e-4, since: 2026-11-21}\n"
    assert main(["render", "-o", "json", _write(tmp_path, text + CODE), TENANT]) == 0
    calls = json.loads(capsys.readouterr().out)
    made = next(call for call in calls if call["call"] == "sagemaker:CreateTrainingJob")["parameters"]["HyperParameters"]
    assert (made["learning_rate"], made["since"]) == ("0.0001", "2026-11-21")


def test_render_prints_the_requests_in_order(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exact parameters, with the Tenant's defaults filled in."""
    assert main(["render", "-o", "json", _write(tmp_path, RUN + CODE), TENANT]) == 0
    calls = json.loads(capsys.readouterr().out)
    assert [call["call"] for call in calls] == ["s3:PutObject", "sagemaker:CreateTrainingJob"]
    assert calls[1]["parameters"]["RoleArn"] == "arn:aws:iam::123456789012:role/team-a/training"


def test_render_without_a_tenant_says_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The role and the bucket are the Tenant's to say."""
    assert main(["render", _write(tmp_path, RUN + CODE)]) == 1
    assert "give the Tenant's file too" in capsys.readouterr().err


def test_graph_as_mermaid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Inputs and steps are nodes, what is read is an arrow."""
    assert main(["graph", "--format", "mermaid", _write(tmp_path, RUN)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("flowchart LR")
    assert "n_inputs_raw --> n_train" in out


def test_an_input_and_a_step_of_one_name_are_two_nodes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An input called train is the usual name for it; no arrow leads from the step to itself."""
    assert main(["graph", "--format", "mermaid", _write(tmp_path, RUN.replace("raw", "train"))]) == 0
    out = capsys.readouterr().out
    assert "n_inputs_train --> n_train" in out
    assert "n_train --> n_train" not in out


@pytest.mark.parametrize("status", ["[1]", "{steps: [1]}", "{steps: {a: b}}", "text"])
def test_graph_of_an_odd_status_shows_no_states(tmp_path: Path, capsys: pytest.CaptureFixture[str], status: str) -> None:
    """A status in a file is anybody's text."""
    assert main(["graph", _write(tmp_path, f"{RUN}status: {status}\n")]) == 0
    assert "train (Training job)  <- inputs.raw" in capsys.readouterr().out


def test_graph_shows_the_states_of_a_live_object(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`kubectl get tr NAME -o yaml | graph -`."""
    assert main(["graph", _write(tmp_path, RUN + "status: {steps: [{name: train, state: Failed}]}\n")]) == 0
    assert "train (Training job) [Failed]" in capsys.readouterr().out


def test_mermaid_labels_hold_no_markup(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`<` would begin a tag in a browser."""
    text = (
        RUN
        + """    metrics: [{name: loss, regex: "loss=([0-9.]+)"}]
  gates: [{metric: loss, operator: "<", value: 1}]
"""
    )
    assert main(["graph", "--format", "mermaid", _write(tmp_path, text)]) == 0
    assert "gate (loss #lt; 1)" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("run", "tenant", "words"),
    [
        (RUN.replace(", namespace: team-a", ""), "", "metadata.namespace is left out"),
        (RUN, "namespaces: [team-b]", "no Tenant among the files names namespace team-a"),
        (RUN, "namespaceSelector: {matchLabels: {team: a}}", "only the cluster knows whether Tenant team-a selects namespace team-a"),
    ],
)
def test_lint_says_why_limits_are_not_checked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], run: str, tenant: str, words: str
) -> None:
    """A note, not a finding: the Tenant may be in the cluster."""
    (tmp_path / "tenant.yaml").write_text(Path(TENANT).read_text().replace("namespaces: [team-a]", tenant or "namespaces: [team-a]"))
    assert main(["lint", _write(tmp_path, run), str(tmp_path / "tenant.yaml")]) == 0
    assert words in capsys.readouterr().err


def test_output_that_nobody_reads_is_no_error(tmp_path: Path) -> None:
    """`render ... | head -1`: no traceback."""
    path = _write(tmp_path, RUN + CODE)
    command = f"{sys.executable} -m sagemaker_gitops render {path} {TENANT}"
    done = subprocess.run(["bash", "-c", f"{command} | true; exit ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=False)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
