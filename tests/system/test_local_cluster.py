"""A real control plane: etcd, kube-apiserver and kube-controller-manager, started, broken and ended."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster import AlreadyRunningError, LocalCluster
from local_cluster import cluster as cluster_module
from local_cluster.__main__ import main
from local_cluster.client import KubectlError, Probe
from local_cluster.context import read_context, require_sandbox_context
from local_cluster.guardian import running_owner
from local_cluster.instance import LOCK
from local_cluster.ports import free_ports
from local_cluster.release import Program
from local_cluster.waiting import wait_until

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.sagemaker-gitops.dev}
spec:
  group: sagemaker-gitops.dev
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, listKind: WidgetList}
  versions:
    - name: v1alpha1
      served: true
      storage: true
      subresources: {status: {}}
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties: {size: {type: integer}}
              x-kubernetes-validations: [{rule: "self.size < 10", message: "size: at most 9"}]
"""


def widget(name: str, size: int = 1) -> str:
    """A manifest of one Widget."""
    return json.dumps(
        {
            "apiVersion": "sagemaker-gitops.dev/v1alpha1",
            "kind": "Widget",
            "metadata": {"name": name, "namespace": "team"},
            "spec": {"size": size},
        }
    )


def alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def pids_of(cluster: LocalCluster) -> list[int]:
    """Process ids of etcd and the API server."""
    pids = [cluster.pid(Program.ETCD), cluster.pid(Program.APISERVER)]
    assert None not in pids
    return [pid for pid in pids if pid is not None]


@pytest.fixture(scope="module")
def crds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one CustomResourceDefinition."""
    folder = tmp_path_factory.mktemp("crds")
    (folder / "widgets.yaml").write_text(CRD)
    return folder


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory, crds: Path) -> Iterator[LocalCluster]:
    """One instance for the tests that leave it usable."""
    with LocalCluster.start(tmp_path_factory.mktemp("shared") / "shared") as cluster:
        cluster.apply_crds(crds)
        cluster.create_namespaces("team")
        yield cluster


def test_the_programs_are_of_one_release(shared: LocalCluster) -> None:
    """Server and kubectl report the release that was found."""
    versions = json.loads(shared.kubectl("version", "-o", "json").stdout)
    reported = {versions["clientVersion"]["gitVersion"], versions["serverVersion"]["gitVersion"]}
    assert reported == {shared.binaries.kubernetes}


def test_a_crd_is_usable_at_once(shared: LocalCluster) -> None:
    """After apply_crds objects can be made, and CEL rules are enforced."""
    shared.kubectl("apply", "-f", "-", stdin=widget("fits"))
    refused = shared.kubectl("apply", "-f", "-", stdin=widget("too-big", size=10), check=False)
    assert shared.kubectl("get", "widget", "fits", "-n", "team", "-o", "name").stdout.startswith("widget.")
    assert "size: at most 9" in refused.stderr


def test_the_audit_log_counts_writes(shared: LocalCluster) -> None:
    """Each write is one event, a write that changes nothing in the server too, and a refused one says so."""
    before = len(list(shared.audit()))
    shared.kubectl("create", "-f", "-", stdin=widget("counted"))
    shared.kubectl("create", "-f", "-", stdin=widget("counted"), check=False)
    shared.kubectl(
        "patch",
        "widget",
        "counted",
        "-n",
        "team",
        "--subresource=status",
        "--type=merge",
        "-p",
        '{"status":{}}',
    )
    shared.kubectl("delete", "widget", "counted", "-n", "team")
    writes = [event for event in list(shared.audit())[before:] if event.is_write]
    assert [(e.user, e.verb, e.resource, e.subresource, e.code) for e in writes] == [
        ("admin", "create", "widgets", "", 201),
        ("admin", "create", "widgets", "", 409),
        ("admin", "patch", "widgets", "status", 200),
        ("admin", "delete", "widgets", "", 200),
    ]


def test_an_idle_cluster_logs_no_write(shared: LocalCluster) -> None:
    """The control plane's own writes are left out, so that 0 writes at rest can be asserted."""
    shared.kubectl("get", "namespaces")
    assert [event for event in shared.audit() if event.user.startswith("system:")] == []


def test_rbac_is_on(shared: LocalCluster) -> None:
    """A user other than admin may do nothing until a role says so; the refusal is in the audit log."""
    with pytest.raises(KubectlError, match=r'User "operator" cannot list resource "widgets"'):
        shared.kubectl("get", "widgets", "-n", "team", user="operator")
    refused = [event for event in shared.audit() if event.user == "operator" and event.code == 403]
    assert {event.verb for event in refused} == {"list"}


def test_a_service_account_has_a_token(shared: LocalCluster) -> None:
    """The token of a service account is accepted as that account."""
    shared.kubectl("create", "serviceaccount", "worker", "-n", "team")
    token = shared.token("system:serviceaccount:team:worker")
    who = shared.kubectl("--token", token, "auth", "whoami", "-o", "json", user="argocd")
    assert json.loads(who.stdout)["status"]["userInfo"]["username"] == "system:serviceaccount:team:worker"


def test_anonymous_requests_see_nothing(shared: LocalCluster) -> None:
    """A wrong token is refused."""
    assert shared.kubectl("--token", "wrong", "get", "ns", user="argocd", check=False).returncode != 0


def test_the_context_is_the_sandboxs(shared: LocalCluster) -> None:
    """The kubeconfig of a running instance passes the check that protects every other cluster."""
    context = read_context(kubeconfig=shared.kubeconfig)
    require_sandbox_context(context, allow=None)
    assert context.name == shared.context == "sagemaker-gitops-sandbox-shared"


def test_the_api_server_can_be_killed_and_restarted(shared: LocalCluster) -> None:
    """A crash of the API server is visible, and loses no object."""
    shared.kubectl("apply", "-f", "-", stdin=widget("durable"))
    shared.kill_apiserver()
    assert Probe(shared.instance).get("/readyz") == 0
    shared.restart_apiserver()
    assert shared.kubectl("get", "widget", "durable", "-n", "team").returncode == 0


def test_etcd_can_be_killed_and_restarted(shared: LocalCluster) -> None:
    """While etcd is down nothing is written; afterwards all that was written is there."""
    shared.kubectl("apply", "-f", "-", stdin=widget("written"))
    shared.kill_etcd()
    refused = shared.kubectl("apply", "--request-timeout=2s", "-f", "-", stdin=widget("lost"), check=False)
    shared.restart_etcd()
    assert refused.returncode != 0
    assert shared.kubectl("get", "widget", "written", "-n", "team").returncode == 0


def test_a_folder_has_one_instance(shared: LocalCluster) -> None:
    """A second start in the same folder is refused and harms nothing."""
    with pytest.raises(AlreadyRunningError):
        LocalCluster.start(shared.instance.folder)
    assert Probe(shared.instance).is_ready(controller_manager=False)


def test_a_wiped_cluster_is_empty_and_keeps_its_address(tmp_path: Path, crds: Path) -> None:
    """Rebuilt from empty etcd it has the same server, certificates and tokens, and none of the objects."""
    with LocalCluster.start(tmp_path / "wiped") as cluster:
        cluster.apply_crds(crds)
        before = cluster.kubeconfig.read_text()
        cluster.wipe()
        assert cluster.kubectl("get", "crds", "-o", "name").stdout == ""
        assert cluster.kubeconfig.read_text() == before
        cluster.apply_crds(crds)
        cluster.create_namespaces("team")
        assert "created" in cluster.kubectl("apply", "-f", "-", stdin=widget("new")).stdout


def test_instances_run_side_by_side(shared: LocalCluster, tmp_path: Path) -> None:
    """Two instances share neither objects nor credentials."""
    with LocalCluster.start(tmp_path / "other") as other:
        other.create_namespaces("only-here")
        assert "only-here" not in shared.kubectl("get", "ns", "-o", "name").stdout
        assert Probe(shared.instance).get("/api/v1/namespaces/only-here") == 404
        assert other.kubectl("--token", shared.token("admin"), "get", "ns", user="argocd", check=False).returncode


def test_state_is_thrown_away(tmp_path: Path) -> None:
    """After the end nothing runs and nothing but the lock is left."""
    with LocalCluster.start(tmp_path / "gone") as cluster:
        pids = pids_of(cluster)
    assert not any(map(alive, pids))
    assert [path.name for path in (tmp_path / "gone").iterdir()] == [LOCK]


def test_state_is_kept_by_choice(tmp_path: Path) -> None:
    """A kept instance goes on with its objects, its address and its tokens."""
    with LocalCluster.start(tmp_path / "kept", keep=True) as cluster:
        cluster.create_namespaces("team")
        before = cluster.kubeconfig.read_text()
    with LocalCluster.start(tmp_path / "kept", keep=True) as cluster:
        assert cluster.kubectl("get", "ns", "team", "-o", "name").stdout.strip() == "namespace/team"
        assert cluster.kubeconfig.read_text() == before


def test_nothing_outlives_kill_9_of_the_parent(tmp_path: Path) -> None:
    """When the process that started the instance is killed, all of its programs end and its state goes."""
    ready = tmp_path / "ready"
    with subprocess.Popen(
        [
            sys.executable,
            "-m",
            "local_cluster",
            "up",
            "--folder",
            str(tmp_path / "orphan"),
            "--ready-file",
            str(ready),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as parent:
        wait_until(ready.exists, timeout=120, waiting_for="the instance")
        owner = running_owner(tmp_path / "orphan" / LOCK)
        assert owner is not None
        children = list(map(int, Path(f"/proc/{owner.guard}/task/{owner.guard}/children").read_text().split()))
        assert len(children) == 2
        parent.send_signal(signal.SIGKILL)
    left = [owner.guard, *children]
    wait_until(lambda: not any(map(alive, left)), timeout=10, waiting_for=f"the end of {left}")
    assert [path.name for path in (tmp_path / "orphan").iterdir()] == [LOCK]


def test_the_controller_manager_deletes_namespaces_and_dependents(tmp_path: Path) -> None:
    """Namespace deletion finishes, and objects whose owner is gone are collected."""
    with LocalCluster.start(tmp_path / "full", controller_manager=True) as cluster:
        cluster.create_namespaces("team", "other")
        cluster.kubectl("create", "configmap", "owner", "-n", "team")
        uid = cluster.kubectl("get", "configmap", "owner", "-n", "team", "-o", "jsonpath={.metadata.uid}").stdout
        reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": uid}
        metadata = {"name": "owned", "namespace": "team", "ownerReferences": [reference]}
        owned = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(owned))
        cluster.kubectl("delete", "configmap", "owner", "-n", "team")
        cluster.kubectl("wait", "--for=delete", "configmap/owned", "-n", "team", "--timeout=60s")
        cluster.kubectl("delete", "namespace", "other", "--timeout=60s")
        assert "owned" not in cluster.kubectl("get", "configmaps", "-n", "team", "-o", "name").stdout
        assert "other" not in cluster.kubectl("get", "ns", "-o", "name").stdout


def test_a_port_taken_at_the_last_moment_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another server between the choice of a port and its use does not stop the start."""
    chosen = [free_ports(2) for _ in range(3)]
    with socket.create_server(("127.0.0.1", chosen[0][0])), socket.create_server(("127.0.0.1", chosen[1][1])):
        answers = iter(chosen)
        monkeypatch.setattr(cluster_module, "free_ports", lambda _count: next(answers))
        with LocalCluster.start(tmp_path / "ports") as cluster:
            assert [cluster.instance.apiserver_port, cluster.instance.etcd_port] == chosen[2]
            assert read_context(kubeconfig=cluster.kubeconfig).server == cluster.instance.server


def test_up_detached_and_down(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The command line starts an instance that stays, finds it again and ends it."""
    folder = ["--folder", str(tmp_path / "cli")]
    assert main(["up", "--detach", *folder]) == 0
    assert f"export KUBECONFIG={tmp_path / 'cli' / 'kubeconfig'}" in capfd.readouterr().out
    assert main(["status", "-o", "json", *folder]) == 0
    status = json.loads(capfd.readouterr().out)
    assert (status["state"], status["context"]) == ("Running", "sagemaker-gitops-sandbox-cli")
    assert main(["kubeconfig", "--user", "operator", *folder]) == 0
    assert capfd.readouterr().out.strip() == str(tmp_path / "cli" / "kubeconfig.operator")
    assert main(["down", *folder]) == 0
    assert main(["status", *folder]) == 1
    process = int(status["process"])
    wait_until(lambda: not alive(process), timeout=10, waiting_for="the end of the background process")


def test_a_user_mistake_is_an_error_without_a_traceback(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """A folder with other files is refused in one line."""
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["up", "--folder", str(tmp_path)]) == 1
    assert capfd.readouterr().err.startswith("error: ")
    assert os.listdir(tmp_path) == ["notes.txt"]
