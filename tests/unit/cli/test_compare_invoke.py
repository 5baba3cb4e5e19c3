"""compare, invoke and graph across kinds, against an API server and an AWS of the test's own."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.main import main

GROUP = "/apis/sagemaker-gitops.dev/v1alpha1/namespaces/team-a"
META = {"namespace": "team-a", "uid": "u", "resourceVersion": "1", "generation": 1}
PAST = [
    {
        "specHash": "b",
        "phase": "Succeeded",
        "metric": "accuracy=0.97",
        "model": "digits/8",
        "parameters": {"depth": "12"},
        "inputs": {"raw": "9f86"},
    },
    {"specHash": "a", "phase": "GateRejected", "metric": "accuracy=0.9", "parameters": {"depth": "4"}, "inputs": {"raw": "9f86"}},
]
RUN = {
    "apiVersion": "sagemaker-gitops.dev/v1alpha1",
    "kind": "TrainingRun",
    "metadata": META | {"name": "digits"},
    "spec": {},
    "status": {"specHash": "b", "history": PAST},
}
SERVING = {
    "phase": "InService",
    "endpointName": "team-a-digits-4k2mzq",
    "arn": "arn:aws:sagemaker:eu-central-1:123456789012:endpoint/team-a-digits-4k2mzq",
    "liveConfig": "c7",
    "lastGood": {
        "config": "c7",
        "models": ["m"],
        "variants": [{"name": "blue", "model": "digits/7"}, {"name": "green", "model": "digits/8"}],
    },
}


class Server(http.server.ThreadingHTTPServer):
    """Answers GET from `objects`, POST with `answer` (status, headers, body); keeps what was posted."""

    objects: dict[str, Any]
    answer: tuple[int, dict[str, str], bytes]
    posted: list[tuple[str, dict[str, str], bytes]]


class Handler(http.server.BaseHTTPRequestHandler):
    """Kubernetes and AWS at one address."""

    server: Server

    def do_GET(self) -> None:
        found = self.server.objects.get(self.path)
        self._send(200 if found else 404, {"Content-Type": "application/json"}, json.dumps(found or {"message": "not found"}).encode())

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.posted.append((self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        self._send(*self.server.answer)

    def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response(status)
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        return


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A cluster with one run and one endpoint, and an AWS whose model answers 7."""
    made = Server(("127.0.0.1", 0), Handler)
    made.objects = {f"{GROUP}/trainingruns/digits": RUN, f"{GROUP}/modelendpoints/digits": endpoint(SERVING)}
    made.answer = (200, {"Content-Type": "text/csv", "x-Amzn-Invoked-Production-Variant": "blue"}, b"7\n")
    made.posted = []
    threading.Thread(target=made.serve_forever, args=(0.01,), daemon=True).start()
    url = f"http://127.0.0.1:{made.server_port}"
    config = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u", "namespace": "team-a"}}],
        "current-context": "x",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    for name, value in (("KUBECONFIG", str(path)), ("AWS_ENDPOINT_URL", url), ("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")):
        monkeypatch.setenv(name, value)
    yield made
    made.shutdown()
    made.server_close()


def endpoint(status: dict[str, Any]) -> dict[str, Any]:
    kind = {"apiVersion": "sagemaker-gitops.dev/v1alpha1", "kind": "ModelEndpoint"}
    return kind | {"metadata": META | {"name": "digits"}, "spec": {}, "status": status}


def test_invoke_prints_the_answer_and_says_who_gave_it(server: Server, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> None:
    """The body alone on stdout; the request as it was given, signed with the caller's own key."""
    path = tmp_path / "request.json"
    path.write_text('{"x": 1}')
    assert main(["invoke", "digits", "--variant", "blue", "--file", str(path)]) == 0
    out, err = capfdbinary.readouterr()
    assert out == b"7\n"
    assert b"variant blue, " in err
    ((where, headers, body),) = server.posted
    assert where == "/endpoints/team-a-digits-4k2mzq/invocations"
    assert (headers["content-type"], headers["x-amzn-sagemaker-target-variant"], body) == ("application/json", "blue", b'{"x": 1}')
    assert "Credential=a/" in headers["authorization"]


@pytest.mark.parametrize(("body", "field", "shown"), [(b"7\n", "body", "7\n"), (b"\xff", "bodyBase64", "/w==")])
def test_invoke_as_json(server: Server, capsys: pytest.CaptureFixture[str], body: bytes, field: str, shown: str) -> None:
    """What is no text comes as base64."""
    server.answer = (*server.answer[:2], body)
    assert main(["invoke", "digits", "--data", "1", "-o", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["variant"], told["contentType"], told[field]) == ("blue", "text/csv", shown)
    assert told["latencyMs"] >= 0
    assert "x-amzn-sagemaker-target-variant" not in server.posted[0][1]


@pytest.mark.parametrize(
    ("arguments", "status", "code", "words"),
    [
        (["nobody"], SERVING, 2, "there is no ModelEndpoint nobody in namespace team-a"),
        (["digits", "--variant", "red"], SERVING, 2, "serves no variant red: use one of blue, green"),
        (["digits"], {"phase": "Creating"}, 1, "serves nothing yet: Creating"),
        (["digits"], {}, 1, "serves nothing yet: the operator has not looked at it yet"),
    ],
)
def test_invoke_refuses_before_it_asks(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: list[str], status: dict[str, Any], code: int, words: str
) -> None:
    """A sentence, and no request."""
    server.objects[f"{GROUP}/modelendpoints/digits"] = endpoint(status)
    assert main(["invoke", *arguments, "--data", "1"]) == code
    assert words in capsys.readouterr().err
    assert server.posted == []


def test_a_model_that_fails_is_told_in_its_words(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """ModelError is the model's own failure, not AWS's."""
    body = json.dumps({"Message": "Received server error (500) from primary", "OriginalStatusCode": 500}).encode()
    server.answer = (424, {"Content-Type": "application/json", "x-amzn-ErrorType": "ModelError"}, body)
    assert main(["invoke", "digits", "--data", "1"]) == 1
    assert "the model behind digits failed: Received server error (500) from primary" in capsys.readouterr().err


def test_invoke_needs_one_request(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """Neither none nor two, and a file that is there."""
    for given in ([], ["--data", "1", "--file", "x"]):
        with pytest.raises(SystemExit) as ended:
            main(["invoke", "digits", *given])
        assert ended.value.code == 2
    assert main(["invoke", "digits", "--file", "/nowhere"]) == 2
    assert "/nowhere" in capsys.readouterr().err


@pytest.mark.capability("H5")
def test_compare_marks_what_differs(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """A column for each run, a star where they are not the same."""
    assert main(["compare", "digits"]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["run", "digits/b", "digits/a"]
    assert ["*", "parameters.depth", "12", "4"] in lines
    assert ["inputs.raw", "9f86", "9f86"] in lines
    assert ["*", "model", "digits/8", "-"] in lines


def test_compare_shows_the_run_under_way_first(server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    """It is not in history yet; its settings are those of the spec."""
    status = {
        "specHash": "c",
        "phase": "Running",
        "history": PAST,
        "provenance": {"trigger": "spec", "inputs": [{"name": "raw", "digest": "11"}]},
    }
    spec = {"parameters": {"x": "1"}, "train": {"hyperparameters": {"depth": 20}}}
    server.objects[f"{GROUP}/trainingruns/digits"] = RUN | {"status": status, "spec": spec}
    assert main(["compare", "digits", "--last", "2", "-o", "json"]) == 0
    first, second = json.loads(capsys.readouterr().out)
    assert (first["run"], first["phase"], first["parameters"], first["inputs"]) == (
        "digits/c",
        "Running",
        {"x": "1", "depth": 20},
        {"raw": "11"},
    )
    assert second["run"] == "digits/b"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nobody"], 2, "there is no TrainingRun nobody in namespace team-a"),
        (["digits", "--last", "0"], 2, "--last must be 1 or more"),
        (["fresh"], 1, "fresh: there is no run yet"),
    ],
)
def test_compare_refuses_in_a_sentence(
    server: Server, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str
) -> None:
    server.objects[f"{GROUP}/trainingruns/fresh"] = RUN | {"metadata": META | {"name": "fresh"}, "status": {}}
    assert main(["compare", *arguments]) == code
    assert words in capsys.readouterr().err


ACROSS = """\
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: TrainingRun
metadata: {name: digits, namespace: team-a}
spec:
  train: {image: "x.dkr.ecr.eu-central-1.amazonaws.com/a:1", maxRuntime: 1h, metrics: [{name: acc, regex: "a=(.)", goal: Maximize}]}
  gates: [{metric: acc, champion: {endpointRef: {name: live}}}]
  register: {group: digits}
---
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata: {name: live, namespace: team-a}
spec:
  variants:
    - {name: blue, model: {package: {group: digits, version: 7}}, weight: 3}
    - {name: green, model: {trainingRunRef: {name: digits}}}
    - {name: red, model: {package: {group: foreign, approved: Latest}}, weight: 0}
status: {phase: InService}
"""


def test_graph_goes_from_the_run_to_what_serves_and_back(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Run, group, variants, endpoint; the gate's champion closes the circle."""
    path = tmp_path / "all.yaml"
    path.write_text(ACROSS.replace("x.dkr", "123456789012.dkr"))
    assert main(["graph", str(path), "-o", "json"]) == 0
    nodes = {node["name"]: node for node in json.loads(capsys.readouterr().out)["what serves"]}
    assert {name: node["reads"] for name, node in nodes.items()} == {
        "TrainingRun.team-a.digits": ["ModelEndpoint.team-a.live"],
        "group.team-a.digits": ["TrainingRun.team-a.digits"],
        "group.team-a.foreign": [],
        "variant.team-a.live.blue": ["group.team-a.digits"],
        "variant.team-a.live.green": ["group.team-a.digits"],
        "variant.team-a.live.red": ["group.team-a.foreign"],
        "ModelEndpoint.team-a.live": ["variant.team-a.live.blue", "variant.team-a.live.green", "variant.team-a.live.red"],
    }
    assert nodes["variant.team-a.live.blue"]["label"] == "variant blue: digits/7, 75%"
    assert nodes["ModelEndpoint.team-a.live"]["state"] == "InService"
    assert main(["graph", str(path), "--format", "mermaid"]) == 0
    drawn = capsys.readouterr().out
    assert "n_ModelEndpoint_team_da_live --> n_TrainingRun_team_da_digits" in drawn
    assert 'n_ModelEndpoint_team_da_live["ModelEndpoint live<br>InService"]' in drawn


def test_a_pipeline_reads_the_group_of_each_of_its_links(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And is called by all of them, in order."""
    path = tmp_path / "all.yaml"
    pipeline = '{containers: [{image: "repo/scale:1"}, {package: {group: digits, version: 7}}, {package: {group: after, version: 1}}]}'
    path.write_text(ACROSS.replace("{trainingRunRef: {name: digits}}", pipeline))
    assert main(["graph", str(path), "-o", "json"]) == 0
    nodes = {node["name"]: node for node in json.loads(capsys.readouterr().out)["what serves"]}
    assert nodes["variant.team-a.live.green"]["reads"] == ["group.team-a.digits", "group.team-a.after"]
    assert "scale:1 + digits/7 + after/1" in nodes["variant.team-a.live.green"]["label"]
    assert "group.team-a.after" in nodes
