"""From the spec as YAML has it to a model, or to findings with path and fix. The only door: `lint`, `plan` and the operator use it.

Three looks, each only when the one before found nothing: types and forms of each field (pydantic), rules between fields (the same
that the API server evaluates as CEL, plus what CEL cannot see), and the fields whose templates were replaced, once more.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from sagemaker_gitops.api.base import Model, Path, Problem, dotted
from sagemaker_gitops.api.kinds import KINDS

M = TypeVar("M", bound=Model)
MAX_DEPTH = 32
SPEC_LIMIT = 128 * 1024  # bytes of JSON; the schema bounds each field, only code can bound their sum (failure-modes.md G1)
FREE_FORM = "overrides"  # JSON of AWS, in which null has AWS's meaning

_FIXED_WORDS = {
    "missing": "Required value",
    "int_type": "must be a whole number, without quotes",
    "bool_type": "must be true or false, without quotes",
    "model_type": "must be an object, that is fields and values",
    "model_attributes_type": "must be an object, that is fields and values",
    "dict_type": "must be an object, that is fields and values",
    "tuple_type": "must be a list",
}


class ValidationFailed(Exception):
    """The spec cannot be acted upon. `findings` are (path, message) pairs such as ("spec.train.maxRuntime", "Required value")."""

    def __init__(self, findings: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{path}: {message}" for path, message in findings))
        self.findings = findings


def parse(kind: str, spec: object) -> Model:
    """The model of `spec` for one of KINDS, templates replaced. ValidationFailed with all findings otherwise."""
    return read(KINDS[kind].spec, spec)


def read(model: type[M], spec: object) -> M:
    """`parse` for a caller that knows the model."""
    cleaned = _cleaned(spec)
    parsed = _validated(model, cleaned)
    findings = (*_too_large(cleaned), *((f"spec{path}", message) for path, message in _broken(parsed, "")))
    if findings:
        raise ValidationFailed(findings)
    changed = [_put(cleaned, path, text) for path, text in parsed.templated()]
    return _validated(model, cleaned) if any(changed) else parsed


def _cleaned(spec: object) -> Any:
    """`spec` without nulls, as the API server stores it. Deeper nesting than any spec needs is refused before it is walked."""

    def clean(value: Any, depth: int, free: bool) -> Any:
        if depth > MAX_DEPTH:
            raise ValidationFailed((("spec", f"is nested more than {MAX_DEPTH} levels deep"),))
        if isinstance(value, Mapping):
            return {key: clean(item, depth + 1, free or key == FREE_FORM) for key, item in value.items() if free or item is not None}
        return [clean(item, depth + 1, free) for item in value] if isinstance(value, list | tuple) else value

    return clean(spec, 0, False)


def _too_large(cleaned: Any) -> Iterator[Problem]:
    size = len(json.dumps(cleaned))
    if size > SPEC_LIMIT:
        yield "spec", f"is {size} bytes of JSON, at most {SPEC_LIMIT} are allowed: move long texts into a file of the source"


def _validated(model: type[M], spec: Any) -> M:
    try:
        return model.model_validate(spec, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ValidationFailed(tuple(_finding(model, item) for item in error.errors(include_url=False))) from error


def _put(spec: Any, path: Path, text: str) -> bool:
    """Write `text` at `path`; whether it was another one."""
    for part in path[:-1]:
        spec = spec[part]
    before, spec[path[-1]] = spec[path[-1]], text
    return bool(before != text)


def _finding(model: type[Model], error: ErrorDetails) -> Problem:
    location = error["loc"]
    if error["type"] == "invalid_key" or (location and location[-1] == "[key]"):
        return f"spec{dotted(location[:-1])}", f'keys must be strings: put quotes around "{str(error["input"]).lower()}"'
    if error["type"] == "duplicate":
        location = (*location, error["ctx"]["index"])
    return f"spec{dotted(location)}", _words(model, error)


def _words(model: type[Model], error: ErrorDetails) -> str:
    """The message, in the API server's words where it has its own."""
    given, context = error.get("input"), error.get("ctx", {})
    match error["type"]:
        case "extra_forbidden":
            return _unknown(_block_at(model, error["loc"][:-1]), str(error["loc"][-1]))
        case "string_type" if isinstance(given, bool | int | float):
            return f'must be a string: put quotes around it, "{str(given).lower()}"'
        case "literal_error":
            return f'Unsupported value: "{given}": supported values: {str(context["expected"]).replace(" or ", ", ")}'.replace("'", '"')
        case "greater_than_equal":
            return f"should be greater than or equal to {context['ge']}"
        case "less_than_equal":
            return f"should be less than or equal to {context['le']}"
        case kind:
            return _FIXED_WORDS.get(kind, error["msg"])


def _block_at(model: type[Model], location: tuple[int | str, ...]) -> type[Model]:
    """The model that describes the block at `location`; list indexes stay in the same block."""
    for part in location:
        for info in model.model_fields.values():
            if info.alias == part:
                model = _model_in(info.annotation) or model
    return model


def _model_in(annotation: Any) -> type[Model] | None:
    if isinstance(annotation, type) and issubclass(annotation, Model):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


def _unknown(block: type[Model], name: str) -> str:
    known = [info.alias or "" for info in block.model_fields.values()]
    lowered = {alias.lower(): alias for alias in known}
    close = difflib.get_close_matches(name.lower().replace("_", ""), lowered, n=1)
    return f"unknown field: did you mean {lowered[close[0]]}?" if close else f"unknown field: known are {', '.join(known)}"


def _broken(model: Model, path: str) -> Iterator[Problem]:
    """Rules and checks of `model` and of every block inside it that do not hold."""
    for rule in model.rules:
        if not rule.holds(model):
            yield path + rule.field, rule.message
    for check in model.checks:
        for field, message in check(model):
            yield path + field, message
    for name, info in type(model).model_fields.items():
        value = getattr(model, name)
        for suffix, item in enumerate(value) if isinstance(value, tuple) else ((None, value),):
            if isinstance(item, Model):
                index = "" if suffix is None else f"[{suffix}]"
                yield from _broken(item, f"{path}.{info.alias}{index}")
