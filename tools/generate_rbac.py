"""Writes manifests/base/rbac.yaml: the operator's exact role and the roles of people, for every kind of the API.

tests/system/test_rbac.py holds the operator's role against the audit log: what it grants is used, what is used it grants.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from typing import Any

import yaml

import generated
from sagemaker_gitops.api.kinds import GROUP, KINDS

HEADER = """# Generated from operator/sagemaker_gitops/api by tools/generate_rbac.py; do not edit.
# operator: exactly what it uses. view, edit: join the cluster's own roles of those names, so whoever may view or edit a namespace
# may do the same with our kinds in it. platform: Tenants; aggregated to nothing.
"""
NAME = "sagemaker-gitops"
READ = ["get", "list", "watch"]
WRITE = ["create", "update", "patch", "delete"]
API = "rbac.authorization.k8s.io"


def _rule(group: str, resources: Iterable[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [*resources], "verbs": verbs}


def _role(name: str, rules: list[dict[str, Any]], aggregate: Iterable[str] = ()) -> dict[str, Any]:
    labels = {f"{API}/aggregate-to-{role}": "true" for role in aggregate}
    metadata = {"name": f"{NAME}-{name}"} | ({"labels": labels} if labels else {})
    return {"apiVersion": f"{API}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def objects() -> list[dict[str, Any]]:
    """ServiceAccount, roles and the operator's binding."""
    ours = [kind.plural for kind in KINDS.values() if kind.scope == "Namespaced"]
    operator = [
        _rule(GROUP, ours, [*READ, "patch"]),
        _rule(GROUP, [f"{plural}/status" for plural in ours], ["patch"]),
        _rule(GROUP, ["tenants"], READ),
        _rule("", ["configmaps", "namespaces"], READ),
        _rule("events.k8s.io", ["events"], ["create"]),
    ]
    account = {"kind": "ServiceAccount", "name": NAME, "namespace": NAME}
    binding = {
        "apiVersion": f"{API}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": f"{NAME}-operator"},
        "roleRef": {"apiGroup": API, "kind": "ClusterRole", "name": f"{NAME}-operator"},
        "subjects": [account],
    }
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAME}},
        _role("operator", operator),
        binding,
        _role("view", [_rule(GROUP, ours, READ)], ("view", "edit", "admin")),
        _role("edit", [_rule(GROUP, ours, WRITE)], ("edit", "admin")),
        _role("platform", [_rule(GROUP, ["tenants"], [*READ, *WRITE])]),
    ]


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    plain = json.loads(json.dumps(objects()))  # no list is the same one twice, or YAML would say so with an alias
    return {"manifests/base/rbac.yaml": HEADER + yaml.safe_dump_all(plain, sort_keys=False, default_flow_style=None, width=140)}


if __name__ == "__main__":
    sys.exit(generated.run(sys.argv[1:], files()))
