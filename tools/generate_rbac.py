"""Writes manifests/base/rbac.yaml: the operator's exact role and the roles of people, for every kind of the API.

And the same rights cut to some namespaces, for manifests/components/namespaced.

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
CLUSTER_HEADER = """# Generated from operator/sagemaker_gitops/api by tools/generate_rbac.py; do not edit.
# What an operator of some namespaces may read of the cluster: who may do what where.
"""
NAMESPACE_HEADER = """# Generated from operator/sagemaker_gitops/api by tools/generate_rbac.py; do not edit.
# What an operator of some namespaces may do in each of them.
"""
NAME = "sagemaker-gitops"
READ = ["get", "list", "watch"]
WRITE = ["create", "update", "patch", "delete"]
API = "rbac.authorization.k8s.io"


def _rule(group: str, resources: Iterable[str], verbs: list[str]) -> dict[str, Any]:
    return {"apiGroups": [group], "resources": [*resources], "verbs": verbs}


def _role(name: str, rules: list[dict[str, Any]], aggregate: Iterable[str] = (), kind: str = "ClusterRole") -> dict[str, Any]:
    labels = {f"{API}/aggregate-to-{role}": "true" for role in aggregate}
    metadata = {"name": f"{NAME}-{name}"} | ({"labels": labels} if labels else {})
    return {"apiVersion": f"{API}/v1", "kind": kind, "metadata": metadata, "rules": rules}


def _binding(kind: str) -> dict[str, Any]:
    """Of the operator to the role of that kind."""
    return {
        "apiVersion": f"{API}/v1",
        "kind": f"{kind}Binding",
        "metadata": {"name": f"{NAME}-operator"},
        "roleRef": {"apiGroup": API, "kind": kind, "name": f"{NAME}-operator"},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAME}],
    }


OURS = [kind.plural for kind in KINDS.values() if kind.scope == "Namespaced"]
IN_NAMESPACES = [
    _rule(GROUP, OURS, [*READ, "patch"]),
    _rule(GROUP, [f"{plural}/status" for plural in OURS], ["patch"]),
    _rule("", ["configmaps"], READ),
    _rule("events.k8s.io", ["events"], ["create"]),
]
IN_CLUSTER = [_rule(GROUP, ["tenants"], READ), _rule("", ["namespaces"], READ)]


def objects() -> list[dict[str, Any]]:
    """ServiceAccount, roles and the operator's binding."""
    return [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": NAME}},
        _role("operator", [*IN_NAMESPACES, *IN_CLUSTER]),
        _binding("ClusterRole"),
        _role("view", [_rule(GROUP, OURS, READ)], ("view", "edit", "admin")),
        _role("edit", [_rule(GROUP, OURS, WRITE)], ("edit", "admin")),
        _role("platform", [_rule(GROUP, ["tenants"], [*READ, *WRITE])]),
    ]


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    namespaced = "manifests/components/namespaced"
    return {
        "manifests/base/rbac.yaml": HEADER + _text(objects()),
        f"{namespaced}/cluster-role.yaml": CLUSTER_HEADER + _text([_role("operator", IN_CLUSTER)]),
        f"{namespaced}/role/role.yaml": NAMESPACE_HEADER + _text([_role("operator", IN_NAMESPACES, kind="Role"), _binding("Role")]),
    }


def _text(made: list[dict[str, Any]]) -> str:
    plain = json.loads(json.dumps(made))  # no list is the same one twice, or YAML would say so with an alias
    return yaml.safe_dump_all(plain, sort_keys=False, default_flow_style=None, width=140)


if __name__ == "__main__":
    sys.exit(generated.run(sys.argv[1:], files()))
