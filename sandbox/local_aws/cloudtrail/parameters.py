"""A request as CloudTrail shows it: members in camel case, keys of maps as they are, and nothing that may be a secret."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from botocore.model import Shape

from local_aws.validate import lower_camel

HIDDEN: Final = "HIDDEN_DUE_TO_SECURITY_REASONS"

_SECRET_ENDINGS: Final = ("Environment", "EnvironmentVariables", "Secret", "Password", "CallbackToken")


def shown(shape: Shape | None, params: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of raw parameters by their shape; members that it does not have are left out, as the service leaves them out."""
    return {} if shape is None else _structure(shape, params)


def _structure(shape: Shape, value: Mapping[str, Any]) -> dict[str, Any]:
    members: Mapping[str, Shape] = shape.members
    return {
        lower_camel(name): HIDDEN if name.endswith(_SECRET_ENDINGS) else _value(members[name], entry)
        for name, entry in value.items()
        if name in members
    }


def _value(shape: Shape, value: Any) -> Any:
    """None for a container where its shape has none: a request may be wrong, and was refused then."""
    if shape.metadata.get("sensitive"):
        return HIDDEN
    if isinstance(value, dict):
        if shape.type_name == "map":
            return {key: _value(shape.value, entry) for key, entry in value.items()}
        return _structure(shape, value) if shape.type_name == "structure" else None
    if isinstance(value, list):
        return [_value(shape.member, entry) for entry in value] if shape.type_name == "list" else None
    return value
