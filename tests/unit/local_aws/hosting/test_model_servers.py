"""A variant runs the user's inference script as the framework images do."""

from __future__ import annotations

import io
import json
import os
import signal
import stat
import tarfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED, HostingKit
from service_kit import IMAGE, ROLE, archive, until

from local_aws.executor.packages import Packages

MEAN = """
class Mean:
    def predict(self, data):
        return data.mean(axis=1)
def model_fn(folder):
    return Mean()
"""
TRANSFORM = """
def model_fn(folder):
    return "t"
def transform_fn(model, data, content_type, accept):
    return f"{model}|{data}|{content_type}|{accept}", accept
"""
OWN_SERVER = """#!/usr/bin/env python3
import http.server, os, sys
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self):
        body = f"{sys.argv[1]} {open('/opt/ml/model/name').read()}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    do_GET = do_POST = answer
http.server.HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Handler).serve_forever()
"""


def served(kit: HostingKit, script: str | None, **changes: Any) -> str:
    return kit.serving(kit.config(kit.variant(model=kit.model(script=script, **changes))))


def npy(values: Any) -> bytes:
    body = io.BytesIO()
    numpy.save(body, numpy.asarray(values))
    return body.getvalue()


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/csv", "1,2,3\n4,5,6\n"),
        ("text/csv; charset=utf-8", "1,2,3\n4,5,6\n"),
        ("application/json", "[[1, 2, 3], [4, 5, 6]]"),
        ("application/x-npy", npy([[1, 2, 3], [4, 5, 6]])),
    ],
)
def test_the_default_functions_read_and_write_the_formats_of_the_framework(kit: HostingKit, content_type: str, body: Any) -> None:
    """CSV, JSON and NPY come in; JSON goes out unless Accept says otherwise."""
    name = served(kit, MEAN)
    answer = kit.invoke(name, body, ContentType=content_type)
    assert (answer["ContentType"], json.loads(answer["text"])) == ("application/json", [2.0, 5.0])


def test_accept_chooses_the_format_of_the_answer(kit: HostingKit) -> None:
    """CSV and NPY besides JSON; another format is the container's 406, an unknown input its 415."""
    name = served(kit, MEAN)
    assert kit.invoke(name, "1,3\n5,7", Accept="text/csv")["text"] == "2.0\n6.0\n"
    answer = kit.client("sagemaker-runtime").invoke_endpoint(
        EndpointName=name, Body="1,3\n5,7", ContentType="text/csv", Accept="application/x-npy"
    )
    assert numpy.load(io.BytesIO(answer["Body"].read())).tolist() == [2.0, 6.0]
    for changes, status in (({"Accept": "image/png"}, 406), ({"ContentType": "image/png"}, 415)):
        with pytest.raises(ClientError) as caught:
            kit.invoke(name, "1,3\n5,7", **changes)
        assert caught.value.response["OriginalStatusCode"] == status


def test_transform_fn_does_everything(kit: HostingKit) -> None:
    """It gets the model, the text, its type and Accept."""
    assert kit.invoke(served(kit, TRANSFORM), "a", Accept="text/plain")["text"] == "t|a|text/csv|text/plain"


def test_a_script_that_mixes_both_ways_never_serves(kit: HostingKit) -> None:
    """transform_fn beside predict_fn is refused by the container, as by AWS's."""
    name = kit.endpoint(kit.config(kit.variant(model=kit.model(script=TRANSFORM + "def predict_fn(data, model): pass\n"))))
    assert kit.settled(name)["EndpointStatus"] == "Failed"


def test_program_and_source_come_from_the_environment(kit: HostingKit) -> None:
    """SAGEMAKER_PROGRAM in SAGEMAKER_SUBMIT_DIRECTORY, here an archive in S3 that imports a module beside it."""
    source = kit.put(f"source/{kit.name()}.tar.gz", archive({"entry.py": "from helper import *\n", "helper.py": NAMED}))
    environment = {"SAGEMAKER_PROGRAM": "entry.py", "SAGEMAKER_SUBMIT_DIRECTORY": source}
    assert kit.invoke(served(kit, None, title="s", PrimaryContainer={"Environment": environment}))["text"] == "s:x"


def test_a_program_in_the_model_archive_is_found_by_its_name(kit: HostingKit) -> None:
    """As the SDK packs it: code/ in the archive and /opt/ml/model/code as submit directory."""
    environment = {"SAGEMAKER_PROGRAM": "app.py", "SAGEMAKER_SUBMIT_DIRECTORY": "/opt/ml/model/code"}
    name = served(kit, None, title="c", files={"code/app.py": NAMED}, PrimaryContainer={"Environment": environment})
    assert kit.invoke(name)["text"] == "c:x"


def test_requirements_of_the_code_are_installed(kit: HostingKit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What code/requirements.txt asks for is on the path of this endpoint only."""
    (tmp_path / "gitops_demo.py").write_text("VALUE = 42\n")
    seen: list[str] = []

    def install(packages: Packages, requirements: Path, interpreter: Path | None) -> Path:
        seen.append(requirements.read_text())
        return tmp_path

    monkeypatch.setattr(Packages, "install", install)
    script = NAMED.replace('f"{model}:{data}"', "str(__import__('gitops_demo').VALUE)")
    assert kit.invoke(served(kit, script, files={"code/requirements.txt": "gitops-demo\n"}))["text"] == "42"
    assert seen == ["gitops-demo\n"]


def test_an_own_serve_program_is_started(kit: HostingKit) -> None:
    """An executable code/serve in the archive stands for the program of a bring-your-own image."""
    body = io.BytesIO()
    with tarfile.open(fileobj=body, mode="w:gz") as target:
        for name, content, mode in (("code/serve", OWN_SERVER, 0o755), ("name", "mine", 0o644)):
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(content), mode | stat.S_IFREG
            target.addfile(member, io.BytesIO(content.encode()))
    data = kit.put(f"own/{kit.name()}.tar.gz", body.getvalue())
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/python:3"
    name = served(kit, None, PrimaryContainer={"Image": image, "ModelDataUrl": data})
    assert kit.invoke(name)["text"] == "serve mine"


def test_an_unknown_image_fails_the_endpoint(kit: HostingKit) -> None:
    """An image without a local stand-in can't be pulled."""
    image = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/nobody-knows:1"
    name = kit.endpoint(kit.config(kit.variant(model=kit.model(PrimaryContainer={"Image": image}))))
    assert "Cannot pull" in kit.settled(name)["FailureReason"]


def test_a_pipeline_of_containers_answers_in_order(kit: HostingKit) -> None:
    """What the first container answers is what the second is asked."""
    containers = []
    for title in ("one", "two"):
        data = kit.put(f"chain/{kit.name()}.tar.gz", archive({"name": title, "code/inference.py": NAMED}))
        containers.append({"Image": IMAGE, "ModelDataUrl": data})
    model = kit.name("chain")
    kit.client("sagemaker").create_model(ModelName=model, ExecutionRoleArn=ROLE, Containers=containers)
    answer = kit.invoke(kit.serving(kit.config(kit.variant(model=model))))
    assert answer["text"].startswith("two:")
    assert "one:x" in answer["text"]


def test_a_model_package_serves(kit: HostingKit) -> None:
    """A container that names a package takes image and artifact from it."""
    data = kit.put(f"package/{kit.name()}.tar.gz", archive({"name": "packaged", "code/inference.py": NAMED}))
    group = kit.name("group")
    sagemaker = kit.client("sagemaker")
    sagemaker.create_model_package_group(ModelPackageGroupName=group)
    specification = {
        "Containers": [{"Image": IMAGE, "ModelDataUrl": data}],
        "SupportedContentTypes": ["text/csv"],
        "SupportedResponseMIMETypes": ["text/plain"],
    }
    package = sagemaker.create_model_package(ModelPackageGroupName=group, InferenceSpecification=specification)["ModelPackageArn"]
    model = kit.name("model")
    sagemaker.create_model(ModelName=model, ExecutionRoleArn=ROLE, PrimaryContainer={"ModelPackageName": package})
    assert kit.invoke(kit.serving(kit.config(kit.variant(model=model))))["text"] == "packaged:x"


def test_the_server_acts_as_the_execution_role(kit: HostingKit) -> None:
    """boto3 in the container signs with the model's role."""
    script = NAMED.replace('f"{model}:{data}"', "__import__('boto3').client('sts').get_caller_identity()['Arn']")
    assert "assumed-role/jobs/SageMaker" in kit.invoke(served(kit, script))["text"]


def test_a_container_that_dies_is_started_again(kit: HostingKit) -> None:
    """Meanwhile the endpoint stays InService."""
    kit.world.settings["endpoints.restartSeconds"] = 0.01
    script = NAMED.replace('f"{model}:{data}"', "str(__import__('os').getpid())")
    name = served(kit, script)
    first = int(kit.invoke(name)["text"])
    os.kill(first, signal.SIGKILL)

    seen: list[str] = []

    def again() -> bool:
        try:
            return int(kit.invoke(name)["text"]) != first
        except ClientError as error:
            seen.append(error.response["Error"]["Code"])
            return False

    until(again, "the restart")
    assert set(seen) <= {"ServiceUnavailable"}
    assert kit.described(name)["EndpointStatus"] == "InService"


def test_servers_end_with_their_endpoint(kit: HostingKit) -> None:
    """No process is left when the endpoint is gone."""
    script = NAMED.replace('f"{model}:{data}"', "str(__import__('os').getpid())")
    name = served(kit, script)
    pid = int(kit.invoke(name)["text"])
    kit.client("sagemaker").delete_endpoint(EndpointName=name)

    def gone() -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        return False

    until(gone, "the end of the model server")


def test_servers_may_wait_for_their_first_invocation(kit: HostingKit) -> None:
    """`endpoints.startServers` 0: for many endpoints at rest; a broken model then shows at the invocation."""
    kit.world.settings["endpoints.startServers"] = 0.0
    name = served(kit, NAMED)
    assert "x" in kit.invoke(name)["text"]
