"""Writes schemas/: what an editor needs to complete, explain and check the four kinds, made from the same models as the CRDs.

One JSON schema (draft-07) for each kind, named as kubeconform and its kin look for it, and `any.json` for a folder of YAML of any kind.
CEL rules are not in them: `sagemaker-gitops lint` has these.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import generated
from sagemaker_gitops.api.crd import definition
from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION, ApiKind

DRAFT = "http://json-schema.org/draft-07/schema#"
OPEN = "x-kubernetes-preserve-unknown-fields"
EITHER = "x-kubernetes-int-or-string"

Schema = dict[str, Any]


def editors(schema: Mapping[str, Any]) -> Schema:
    """A structural schema without Kubernetes' extensions; a field that it does not name is a mistake."""
    made = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if schema.get(EITHER):
        made["type"] = ["integer", "string"]
    if "properties" in made:
        made["properties"] = {name: editors(part) for name, part in made["properties"].items()}
        if not schema.get(OPEN) and "additionalProperties" not in made:
            made["additionalProperties"] = False
    for key in ("items", "additionalProperties"):
        if isinstance(made.get(key), Mapping):
            made[key] = editors(made[key])
    return made


def schema_of(kind: ApiKind) -> Schema:
    """Of a manifest as it is in git; a status, which only the operator writes, is let through."""
    (version,) = definition(kind)["spec"]["versions"]
    whole = version["schema"]["openAPIV3Schema"]
    made = editors(whole | {"properties": whole["properties"] | {"metadata": {"type": "object"}, "status": {"type": "object"}}})
    made["properties"]["apiVersion"]["enum"] = [f"{GROUP}/{VERSION}"]
    made["properties"]["kind"]["enum"] = [kind.kind]
    return {"$schema": DRAFT, "title": kind.kind, **made, "required": ["apiVersion", "kind", "metadata", "spec"]}


def file_of(kind: ApiKind) -> str:
    return f"{kind.kind.lower()}_{VERSION}.json"


def any_kind() -> Schema:
    """By kind; what is not ours is let through."""
    ours = [
        {
            "if": {"required": ["kind"], "properties": {"kind": {"const": kind.kind}}},
            "then": {"$ref": file_of(kind)},
        }
        for kind in KINDS.values()
    ]
    return {"$schema": DRAFT, "title": GROUP, "type": "object", "allOf": ours}


def files() -> dict[str, str]:
    """Path below the repository -> text."""
    schemas = {file_of(kind): schema_of(kind) for kind in KINDS.values()} | {"any.json": any_kind()}
    return {f"schemas/{name}": json.dumps(schema, indent=1) + "\n" for name, schema in schemas.items()}


if __name__ == "__main__":
    sys.exit(generated.run(sys.argv[1:], files()))
