"""A JSON object with AWS's own member names, the form of `overrides`; core validates it against botocore's service model."""

from __future__ import annotations

import json
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from sagemaker_gitops.api.base import problem

FREE_FORM_LIMIT = 32 * 1024  # bytes of JSON


def _null_member(value: Any) -> str | None:
    """Path of the first null: merged last, it would take away what the operator sets, such as the network."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, item in items:
        inner = "" if item is None else _null_member(item)
        if inner is not None:
            return f"{name}.{inner}" if inner else str(name)
    return None


class FreeForm:
    """At most FREE_FORM_LIMIT bytes; nothing in it is null."""

    @staticmethod
    def parse(value: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise problem("must be an object with AWS's own member names, such as {EnableNetworkIsolation: true}")
        try:
            size = len(json.dumps(value, allow_nan=False))
        except (TypeError, ValueError) as error:
            raise problem("must be JSON: texts, finite numbers, booleans, lists and objects (put quotes around dates)") from error
        if size > FREE_FORM_LIMIT:
            raise problem(f"Too long: may not be more than {FREE_FORM_LIMIT} bytes")
        if (member := _null_member(value)) is not None:
            raise problem(f"{member} is null: leave the member out, or give it a value")
        return value

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.parse)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"type": "object", "x-kubernetes-preserve-unknown-fields": True, "maxProperties": 50}
