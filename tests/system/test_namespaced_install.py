"""components/namespaced: an operator that is given some namespaces serves these, and the API server lets it see no other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.sandbox import OPERATOR_SETTINGS, ROOT, Sandbox
from tests.system.endpoints import Endpoints, pinned, serves
from tests.system.stack import Stack

SERVED, OTHER = "team-a", "team-b"
VARIABLE = "SAGEMAKER_GITOPS_NAMESPACES"
# The operator of the sandbox logs in as a user, not as a pod.
AS_USER = "- {op: add, path: /subjects/-, value: {kind: User, name: operator, apiGroup: rbac.authorization.k8s.io}}"


def overlay(folder: Path) -> Path:
    """A user's overlay, as the component describes it."""
    manifests = os.path.relpath(ROOT / "manifests", folder)
    (folder / SERVED).mkdir(parents=True)
    role = {"namespace": SERVED, "resources": [f"../{manifests}/components/namespaced/role"]}
    settings = {"name": "sagemaker-gitops", "namespace": "sagemaker-gitops", "behavior": "merge", "literals": [f"{VARIABLE}={SERVED}"]}
    whole = {
        "resources": [f"{manifests}/overlays/sandbox", SERVED],
        "components": [f"{manifests}/components/namespaced"],
        "configMapGenerator": [settings],
        "patches": [{"target": {"kind": "RoleBinding"}, "patch": AS_USER}],
    }
    (folder / SERVED / "kustomization.yaml").write_text(yaml.safe_dump(role))
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(whole))
    return folder


class Namespaced(Sandbox):
    """A sandbox whose platform team has installed that overlay, and a Tenant that names two namespaces."""

    def install(self) -> None:
        self.kubectl("apply", "-k", str(ROOT / "manifests" / "samples" / "tenant"))
        self.kubectl("create", "namespace", OTHER)
        self.kubectl("patch", "tenant", SERVED, "--type=merge", "-p", f'{{"spec": {{"namespaces": ["{SERVED}", "{OTHER}"]}}}}')
        self.kubectl("apply", "-k", str(overlay(self.folder / "overlay")))

    @property
    def objects(self) -> list[dict[str, Any]]:
        return [item for item in yaml.safe_load_all(self.kubectl("kustomize", str(self.folder / "overlay"))) if item]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Namespaced(tmp_path_factory.mktemp("sandbox"), OPERATOR_SETTINGS | {VARIABLE: SERVED}) as sandbox:
        yield Stack(sandbox)


def _objects(stack: Stack) -> list[dict[str, Any]]:
    assert isinstance(stack.sandbox, Namespaced)
    return stack.sandbox.objects


def test_nothing_of_the_cluster_but_tenants_and_namespaces(stack: Stack) -> None:
    """One ClusterRole is bound to the operator, and it reads who may do what where; the setting is the namespace of the Role."""
    bound = [
        item for item in _objects(stack) if item["kind"] == "ClusterRoleBinding" and any(who["kind"] == "User" for who in item["subjects"])
    ]
    (role,) = (
        item for item in _objects(stack) if item["kind"] == "ClusterRole" and item["metadata"]["name"] == bound[0]["roleRef"]["name"]
    )
    assert len(bound) == 1
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"tenants", "namespaces"}
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    (settings,) = (item["data"] for item in _objects(stack) if item["kind"] == "ConfigMap")
    assert settings[VARIABLE] == SERVED
    assert [item["metadata"]["namespace"] for item in _objects(stack) if item["kind"] == "RoleBinding"] == [SERVED]


@pytest.mark.parametrize(
    ("verb", "what", "namespace", "allowed"),
    [
        ("get", "configmaps", SERVED, True),
        ("patch", "trainingruns", SERVED, True),
        ("get", "configmaps", OTHER, False),
        ("patch", "modelendpoints", OTHER, False),
        ("create", "events.events.k8s.io", OTHER, False),
        ("get", "secrets", SERVED, False),
    ],
)
def test_the_api_server_keeps_the_fence(stack: Stack, verb: str, what: str, namespace: str, allowed: bool) -> None:
    """Its own word on it."""
    question = ("auth", "can-i", verb, what, "-n", namespace, "--as", "operator")
    if allowed:
        assert stack.sandbox.kubectl(*question).startswith("yes")
        return
    with pytest.raises(CommandError):  # kubectl's exit code is 1 for a no
        stack.sandbox.kubectl(*question)


def test_what_is_given_is_served_and_the_rest_is_not(stack: Stack) -> None:
    """A run and an endpoint from their creation to their deletion; beside it one in a namespace that only the Tenant names."""
    other, endpoints = replace(stack, namespace=OTHER), Endpoints(stack)
    other.run("elsewhere")
    stack.run("here")
    assert stack.ended("here")["phase"] == "Succeeded"
    endpoints.register("here", serves(1))
    endpoints.apply("here", pinned("here", 1), deletionPolicy="Delete")
    endpoints.in_service("here")
    endpoints.delete("here")
    stack.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": OTHER, "labels": {"touched": "true"}}})
    stack.sandbox.restart_operator()  # a watch is logged when it ends
    stack.delete("here")
    assert other.status("elsewhere") == {}
    assert "finalizers" not in other.get("elsewhere")["metadata"]
    assert stack.calls_for("elsewhere") == []
    assert [f"{event.verb} {event.uri}" for event in stack.requests() if event.code == 403] == []
    assert {event.namespace for event in stack.requests()} <= {SERVED, ""}
