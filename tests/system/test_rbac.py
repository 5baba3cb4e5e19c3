"""The shipped roles are exact: what the operator's role grants is used, what it uses is granted, and people get theirs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from sagemaker_gitops.cli.sandbox import ROOT
from tests.system.conftest import least_privilege
from tests.system.endpoints import pinned, serves
from tests.system.policies import Policies, checking
from tests.system.stack import Stack

OBJECTS: list[dict[str, Any]] = [*yaml.safe_load_all((ROOT / "manifests/base/rbac.yaml").read_text())]
Grant = tuple[str, str, str]
# Quorum reads after a conflict or a gap in a watch (runtime/intake.py, runtime/reconciler.py), which a quiet run need not have.
AFTER_TROUBLE: set[Grant] = {
    ("sagemaker-gitops.dev", "trainingruns", "get"),
    ("sagemaker-gitops.dev", "monitorpolicies", "get"),
    ("sagemaker-gitops.dev", "tenants", "get"),
    ("", "namespaces", "get"),
}


def _rules(role: str) -> Iterator[dict[str, Any]]:
    (found,) = (item for item in OBJECTS if item["kind"] == "ClusterRole" and item["metadata"]["name"] == f"sagemaker-gitops-{role}")
    yield from found["rules"]


def _granted(role: str) -> set[Grant]:
    """(group, resource, verb) of every rule."""
    return {
        (group, resource, verb)
        for rule in _rules(role)
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A sandbox with the admission policies, the tenant's role as docs/iam has it, and the stand-in for jobs/monitoring."""
    with checking(tmp_path_factory.mktemp("checking")) as started:
        least_privilege(started)
        yield started


def test_every_grant_is_used_and_nothing_else(stack: Stack) -> None:
    """A run, an endpoint and a monitor from their creation to their deletion, and the audit log against the rules."""
    endpoints = Policies(stack)
    stack.run("exact")
    stack.ended("exact")
    endpoints.register("exact", serves(1))
    configured = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "exact-payload", "namespace": stack.namespace}}
    stack.apply(configured | {"data": {"sample.csv": "1"}})
    smoke = {"payload": {"configMapRef": {"name": "exact-payload", "key": "sample.csv"}}}
    endpoints.apply("exact", pinned("exact", 1), smokeTest=smoke, deletionPolicy="Delete")
    endpoints.in_service("exact")
    endpoints.delete("exact")
    endpoints.captured("watched", 0.25)
    endpoints.policy("watched")
    endpoints.until_policy("watched", lambda status: status.get("phase") == "Scheduled")
    endpoints.ask_times("watched")
    assert endpoints.check("watched")["state"] == "Succeeded"
    endpoints.delete_policy("watched")
    stack.delete("exact")
    stack.sandbox.restart_operator()  # a watch is logged when it ends
    used = {(event.group, "/".join(filter(None, (event.resource, event.subresource))), event.verb) for event in stack.requests()}
    granted = _granted("operator")
    assert used - granted == set()
    assert [event.uri for event in stack.requests() if event.code == 403] == []
    assert granted - used <= AFTER_TROUBLE


@pytest.mark.parametrize("role", ["operator", "view", "edit", "platform"])
def test_no_role_is_wide(role: str) -> None:
    """No wildcard; no secrets, pods, webhooks or roles; nobody but the operator writes status; Tenants are the platform's."""
    granted = _granted(role)
    words = {word for grant in granted for word in grant}
    assert "*" not in words
    assert not words & {
        "secrets",
        "pods",
        "mutatingwebhookconfigurations",
        "validatingwebhookconfigurations",
        "escalate",
        "bind",
        "impersonate",
    }
    writes_status = {resource for _, resource, _ in granted if resource.endswith("/status")}
    assert bool(writes_status) == (role == "operator")
    assert any(resource == "tenants" and verb in ("create", "update", "patch") for _, resource, verb in granted) == (role == "platform")


def test_roles_join_those_of_the_cluster() -> None:
    """Whoever may edit a namespace may edit our kinds in it, and whoever may view it may view them: by label, without another binding."""
    labels = {item["metadata"]["name"]: item["metadata"].get("labels", {}) for item in OBJECTS if item["kind"] == "ClusterRole"}
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    assert {role: sorted(key.removeprefix(prefix) for key in found) for role, found in labels.items()} == {
        "sagemaker-gitops-operator": [],
        "sagemaker-gitops-view": ["admin", "edit", "view"],
        "sagemaker-gitops-edit": ["admin", "edit"],
        "sagemaker-gitops-platform": [],
    }
