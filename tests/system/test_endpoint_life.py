"""What users of other tools report about endpoints, each thread a case: the last good version stays, nothing is left behind."""

from __future__ import annotations

import json
import time
from collections import Counter

import pytest

from tests.system.endpoints import BROKEN, Endpoints, latest, pinned, serves
from tests.system.stack import condition


@pytest.mark.capability("F1")
def test_going_back_makes_nothing_new(endpoints: Endpoints) -> None:
    """terraform-provider-aws#46663: names by content, so the config of a reverted edit is there already; no name is taken twice."""
    endpoints.served("reverts", 1, 2)
    endpoints.apply("reverts", pinned("reverts", 2))
    endpoints.in_service("reverts", "2")

    def back() -> None:
        endpoints.apply("reverts", pinned("reverts", 1))
        endpoints.in_service("reverts", "1")

    assert endpoints.stack.created_by(back) == Counter()
    assert endpoints.ask("reverts") == "1"


def test_only_configs_beyond_the_history_are_collected(endpoints: Endpoints) -> None:
    """terraform-provider-aws#48997 and #40048: the live config, the wanted one and the kept history outlive every update."""
    endpoints.served("collects", 1, 2, 3, 4, rollback={"historyLimit": 1})
    for version in (2, 3, 4):
        endpoints.apply("collects", pinned("collects", version), rollback={"historyLimit": 1})
        status = endpoints.in_service("collects", str(version))
    endpoints.stack.quiet()
    assert endpoints.configs("collects") == {status["liveConfig"], endpoints.status("collects")["history"][0]["config"]}
    models = endpoints.stack.client("sagemaker").list_models(NameContains="team-a-collects-model")["Models"]
    assert len(models) == 2


def test_while_an_update_is_under_way_the_old_config_and_model_stay(endpoints: Endpoints) -> None:
    """terraform-provider-aws#40048: deleting them then leaves an endpoint that AWS itself cannot repair."""
    before = endpoints.served("midway", 1, 2, rollback={"historyLimit": 0})
    with endpoints.slow(creating=5.0), endpoints.asking("midway") as answers:
        endpoints.apply("midway", pinned("midway", 2), rollback={"historyLimit": 0})
        endpoints.until("midway", lambda status: status.get("phase") == "Updating")
        endpoints.stack.wait_for_call("midway", "UpdateEndpoint")
        assert before["liveConfig"] in endpoints.configs("midway")
        after = endpoints.in_service("midway", "2")
        endpoints.stack.quiet()
    assert endpoints.configs("midway") == {after["liveConfig"]}
    assert answers["failed"] == 0


def test_a_live_config_that_somebody_deleted_is_named_and_what_serves_stays(endpoints: Endpoints) -> None:
    """amazon-sagemaker-examples#3432, analytical-platform#10195: AWS cannot update such an endpoint; the message names the config."""
    live = endpoints.served("bereft", 1, 2)["liveConfig"]
    endpoints.stack.client("sagemaker").delete_endpoint_config(EndpointConfigName=live)
    endpoints.apply("bereft", pinned("bereft", 2))
    status = endpoints.until("bereft", lambda status: live in condition(status, "Ready").get("message", ""))
    assert condition(status, "Ready")["status"] == "False"
    assert endpoints.ask("bereft") == "1"


def test_deletion_waits_out_an_update(endpoints: Endpoints) -> None:
    """terraform-provider-aws#39152 and #40080: AWS refuses to delete while it updates; then everything goes, proven absent."""
    status = endpoints.served("leaving", 1, 2, deletionPolicy="Delete")
    with endpoints.slow(creating=2.0):
        endpoints.apply("leaving", pinned("leaving", 2), deletionPolicy="Delete")
        endpoints.stack.wait_for_call("leaving", "UpdateEndpoint")
        endpoints.delete("leaving")
    sagemaker = endpoints.stack.client("sagemaker")
    assert sagemaker.list_endpoints(NameContains=status["endpointName"])["Endpoints"] == []
    assert endpoints.configs("leaving") == set()
    assert (endpoints.stack.accepted("leaving", "DeleteEndpoint"), endpoints.refused("leaving", "DeleteEndpoint")) == (1, 0)


def test_an_operator_that_restarts_during_an_update_does_not_ask_twice(endpoints: Endpoints) -> None:
    """aws/amazon-sagemaker-operator-for-k8s#99: the state is AWS's, not a process's."""
    endpoints.served("restarts", 1, 2)
    with endpoints.slow(creating=4.0):
        endpoints.apply("restarts", pinned("restarts", 2))
        endpoints.stack.wait_for_call("restarts", "UpdateEndpoint")
        endpoints.stack.sandbox.restart_operator()
        endpoints.in_service("restarts", "2")
    assert endpoints.stack.accepted("restarts", "UpdateEndpoint") == 1
    assert endpoints.refused("restarts", "UpdateEndpoint") == 0


@pytest.mark.parametrize("operation", ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"])
def test_a_creation_whose_answer_is_lost_is_not_repeated(endpoints: Endpoints, operation: str) -> None:
    """airflow#21941: a second create of the same name is refused; the name is ours, so it is found."""
    name = f"lost-{operation.lower()}"
    endpoints.stack.aws.script(operation=operation, kind="accept-then-drop")
    endpoints.served(name, 1)
    assert endpoints.stack.accepted(name, operation) == 1


def test_an_update_whose_answer_is_lost_is_not_taken_for_a_rollback(endpoints: Endpoints) -> None:
    """The endpoint has changed since the intent was written: Updating, then the wanted config serves."""
    endpoints.served("unheard-update", 1, 2)
    endpoints.stack.aws.script(operation="UpdateEndpoint", kind="accept-then-drop")
    endpoints.apply("unheard-update", pinned("unheard-update", 2))
    status = endpoints.in_service("unheard-update", "2")
    assert condition(status, "RolledBack")["status"] == "False"
    assert endpoints.stack.accepted("unheard-update", "UpdateEndpoint") == 1


def test_a_first_creation_that_fails_says_why_and_a_better_spec_replaces_it(endpoints: Endpoints) -> None:
    """community#1012, community#1899: Degraded with AWS's reason, not Ready; AWS cannot update a failed endpoint, so it is made anew."""
    endpoints.register("stillborn", BROKEN)
    endpoints.register("stillborn", serves(2))
    endpoints.apply("stillborn", pinned("stillborn", 1))
    status = endpoints.until("stillborn", lambda status: status.get("phase") == "Failed")
    assert condition(status, "Ready")["status"] == "False"
    assert condition(status, "Stalled")["reason"] == "EndpointFailed"
    assert "ping" in condition(status, "Stalled")["message"]
    endpoints.stack.quiet()
    assert endpoints.stack.accepted("stillborn", "CreateEndpoint") == 1
    endpoints.apply("stillborn", pinned("stillborn", 2))
    endpoints.in_service("stillborn", "2")
    assert endpoints.ask("stillborn") == "2"


def test_a_missing_permission_is_named_and_not_hammered(endpoints: Endpoints) -> None:
    """community#1889: UpdateEndpoint needs the endpoint-config resource too; the action is in the condition, what serves stays."""
    endpoints.served("unpermitted", 1, 2)
    endpoints.stack.aws.deny(endpoints.stack.role, "sagemaker:UpdateEndpoint")
    try:
        endpoints.apply("unpermitted", pinned("unpermitted", 2))
        status = endpoints.until("unpermitted", lambda status: "UpdateEndpoint" in condition(status, "Ready").get("message", ""))
        assert condition(status, "Ready")["status"] != "True"
        time.sleep(3)
        assert endpoints.refused("unpermitted", "UpdateEndpoint") <= 2
        assert endpoints.ask("unpermitted") == "1"
    finally:
        endpoints.stack.aws.admin("DELETE", "deny")


def test_an_internal_error_of_aws_is_tried_again(endpoints: Endpoints) -> None:
    """provider-upjet-aws#1809: what AWS refuses for no reason of ours is repeated, under the same name."""
    endpoints.stack.aws.script(operation="CreateEndpoint", kind="error", resource="internal-endpoint", status=500)
    endpoints.served("internal-endpoint", 1)
    assert endpoints.stack.accepted("internal-endpoint", "CreateEndpoint") == 1


def test_an_edit_during_an_update_waits_and_then_wins(endpoints: Endpoints) -> None:
    """AWS refuses UpdateEndpoint while it updates: the newest spec is the last that is asked for, and no request fails."""
    endpoints.served("hasty", 1, 2, 3)
    with endpoints.slow(creating=1.5), endpoints.asking("hasty") as answers:
        endpoints.apply("hasty", pinned("hasty", 2))
        endpoints.stack.wait_for_call("hasty", "UpdateEndpoint")
        endpoints.apply("hasty", pinned("hasty", 3))
        endpoints.in_service("hasty", "3")
    assert endpoints.ask("hasty") == "3"
    assert (answers["failed"], endpoints.refused("hasty", "UpdateEndpoint")) == (0, 0)


def test_a_rejection_during_the_rollout_goes_back_afterwards(endpoints: Endpoints) -> None:
    """sagemaker-custom-project-templates#15: the registry's word counts until the end, and after it."""
    endpoints.register("fickle", serves(1))
    second = endpoints.register("fickle", serves(2), "PendingManualApproval")
    endpoints.apply("fickle", {"name": "all", "model": latest("fickle")})
    endpoints.in_service("fickle", "1")
    with endpoints.slow(creating=1.5):
        endpoints.approve(second, "Approved")
        endpoints.stack.wait_for_call("fickle", "UpdateEndpoint")
        endpoints.approve(second, "Rejected")
        deadline = time.monotonic() + 60
        while endpoints.ask("fickle") != "1" or endpoints.status("fickle").get("phase") != "InService":
            assert time.monotonic() < deadline, endpoints.status("fickle")
            time.sleep(0.2)
    assert endpoints.status("fickle")["live"] == "1"


@pytest.mark.capability("F13")
def test_an_endpoint_follows_the_training_run_it_names(endpoints: Endpoints) -> None:
    """kubeflow/pipelines#1352: no script between training and serving; a run that has not registered yet is waited for."""
    stack = endpoints.stack
    endpoints.apply("follows", {"name": "all", "model": {"trainingRunRef": {"name": "follows"}}})
    endpoints.until("follows", lambda status: condition(status, "Ready").get("reason") == "ModelMissing")
    train = "import os, pathlib\npathlib.Path(os.environ['SM_MODEL_DIR'], 'model.txt').write_text('1')\n" + serves(6)
    stack.run("follows", files={"train.py": train}, register={"group": "follows", "approval": "Auto"})
    assert stack.ended("follows")["phase"] == "Succeeded"
    status = endpoints.until("follows", lambda status: status.get("phase") in ("InService", "Failed"))
    assert status["phase"] == "InService", status
    assert status["variants"][0]["model"] == "follows/1"


def test_names_that_are_equal_where_aws_cuts_them_off_do_not_meet(endpoints: Endpoints) -> None:
    """airflow#39502: 63 characters are less than Kubernetes allows; two objects never share an endpoint."""
    long = "a-very-long-name-of-an-endpoint-that-goes-on-beyond-what-aws-takes"
    for version, suffix in ((1, "one"), (2, "two")):
        endpoints.register("long-names", serves(version))
        endpoints.apply(f"{long}-{suffix}", pinned("long-names", version))
    names = {endpoints.in_service(f"{long}-{suffix}")["endpointName"] for suffix in ("one", "two")}
    assert len(names) == 2
    assert (endpoints.ask(f"{long}-one"), endpoints.ask(f"{long}-two")) == ("1", "2")


def test_a_rollback_is_one_event_and_no_loop(endpoints: Endpoints) -> None:
    """community#2510: people are told once, with the version that serves; nothing is called or written afterwards."""
    good = endpoints.served("told", 1)
    endpoints.register("told", BROKEN)
    endpoints.apply("told", pinned("told", 2))
    endpoints.until("told", lambda status: status.get("phase") == "RolledBack")
    endpoints.stack.quiet()
    asked, written = endpoints.stack.asked_for("told"), len(endpoints.stack.operator_writes("told"))
    listed = json.loads(endpoints.stack.sandbox.kubectl("get", "events", "-n", endpoints.stack.namespace, "-o", "json"))["items"]
    events = [item for item in listed if item["regarding" if "regarding" in item else "involvedObject"]["name"] == "told"]
    rolled = [item for item in events if item["reason"] == "RolledBack"]
    assert len(rolled) == 1
    assert good["liveConfig"] in rolled[0]["message" if "message" in rolled[0] else "note"]
    endpoints.stack.quiet()
    assert (endpoints.stack.asked_for("told"), len(endpoints.stack.operator_writes("told"))) == (asked, written)


def test_the_history_in_status_is_bounded(endpoints: Endpoints) -> None:
    """Acceptance row 32: as many entries as may be gone back to, newest first."""
    endpoints.served("bounded", 1, 2, 3, rollback={"historyLimit": 1})
    for version in (2, 3):
        endpoints.apply("bounded", pinned("bounded", version), rollback={"historyLimit": 1})
        previous = endpoints.status("bounded")["lastGood"]["config"]
        status = endpoints.in_service("bounded", str(version))
    assert [item["config"] for item in status["history"]] == [previous]


def test_a_label_or_an_annotation_calls_nothing(endpoints: Endpoints) -> None:
    """argo-cd#28936: what tools write on an object is not content."""
    endpoints.served("labelled", 1)
    endpoints.stack.quiet()
    calls = len(endpoints.stack.calls_for("labelled"))
    endpoints.stack.sandbox.kubectl("label", "mep", "labelled", "-n", endpoints.stack.namespace, "app=x")
    endpoints.stack.sandbox.kubectl("annotate", "mep", "labelled", "-n", endpoints.stack.namespace, "argocd.argoproj.io/tracking-id=x")
    endpoints.stack.quiet()
    assert not [call for call in endpoints.stack.calls_for("labelled")[calls:] if call.startswith(("Create", "Update", "Delete"))]


@pytest.mark.capability("F12")
def test_requests_and_answers_are_captured_under_the_tenants_prefix(endpoints: Endpoints) -> None:
    """aws-cdk#14887: capture is part of the config, and lands where monitoring looks for it."""
    capture = {"initialSamplingPercentage": 100, "captureModes": ["Input", "Output"]}
    endpoints.served("captures", 3, dataCapture=capture)
    assert endpoints.ask("captures") == "3"
    s3, deadline, found = endpoints.stack.client("s3"), time.monotonic() + 30, ""
    while not found:
        assert time.monotonic() < deadline, "nothing was captured"
        for item in s3.list_objects_v2(Bucket="team-a-ml", Prefix="artifacts/team-a/captures/capture/").get("Contents", ()):
            found += s3.get_object(Bucket="team-a-ml", Key=item["Key"])["Body"].read().decode()
        time.sleep(0.5)
    record = json.loads(found.splitlines()[0])["captureData"]
    assert (record["endpointInput"]["data"], record["endpointOutput"]["data"].strip()) == ("1", "3")
