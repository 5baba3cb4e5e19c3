"""The CustomResourceDefinitions, made from the models: structural OpenAPI v3 with CEL rules, bounds and descriptions.

No schema defaults anywhere: Argo CD would compare what the API server added (api.md, rule 3). Unknown fields are left to the
API server's field validation (strict in kubectl); code refuses them in any case.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.kinds import CATEGORY, GROUP, VERSION, ApiKind, Column

Schema = dict[str, Any]
_DROPPED = frozenset({"title", "default", "$defs"})


def schema_of(model: type[Model]) -> Schema:
    """The structural schema of a model: references inlined, nulls gone, nothing that Kubernetes does not know."""
    raw = model.model_json_schema(by_alias=True)
    return _structural(raw, raw.get("$defs", {}))


def _structural(raw: Mapping[str, Any], definitions: Mapping[str, Any]) -> Schema:
    merged = dict(raw)
    if "$ref" in merged:
        merged = {**definitions[merged.pop("$ref").rsplit("/", 1)[-1]], **merged}
    if "anyOf" in merged:
        (given,) = (option for option in merged.pop("anyOf") if option != {"type": "null"})
        return _structural({**given, **merged}, definitions)
    made = {key: value for key, value in merged.items() if key not in _DROPPED}
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if made.get("additionalProperties") is False:
        del made["additionalProperties"]
    if "description" in made:
        made["description"] = " ".join(made["description"].split())
    if "properties" in made:
        made["properties"] = {name: _structural(part, definitions) for name, part in made["properties"].items()}
    for key in ("items", "additionalProperties"):
        if key in made:
            made[key] = _structural(made[key], definitions)
    return made


def _column(column: Column) -> Schema:
    made: Schema = {"name": column.name, "type": column.type, "jsonPath": column.path}
    return made | ({"priority": column.priority} if column.priority else {})


def definition(kind: ApiKind) -> Schema:
    """The CustomResourceDefinition of one kind."""
    names: Schema = {
        "kind": kind.kind,
        "listKind": f"{kind.kind}List",
        "plural": kind.plural,
        "singular": kind.kind.lower(),
        "categories": [CATEGORY],
    }
    if kind.short_names:
        names["shortNames"] = list(kind.short_names)
    schema = {
        "type": "object",
        "description": " ".join((kind.spec.__doc__ or "").split()),
        "required": ["spec"],
        "properties": {
            "apiVersion": {"type": "string", "description": f"{GROUP}/{VERSION}."},
            "kind": {"type": "string", "description": f"{kind.kind}."},
            "metadata": {"type": "object"},
            "spec": schema_of(kind.spec),
            "status": schema_of(kind.status),
        },
    }
    version = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
        "additionalPrinterColumns": [_column(column) for column in kind.columns],
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{kind.plural}.{GROUP}"},
        "spec": {"group": GROUP, "scope": kind.scope, "names": names, "versions": [version]},
    }
