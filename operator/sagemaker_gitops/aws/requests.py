"""Every request against botocore's own service model before it is sent: types, members, required, enum, pattern, bounds.

The SDK checks less than AWS does (no enum, pattern, upper bound), and `overrides` can put anything anywhere (design.md section 6).
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import botocore.session
import regex
from botocore.model import ListShape, MapShape, Shape, StructureShape

from sagemaker_gitops.core.errors import Finding

# Java's character classes and escapes that Python's regex module spells differently (reference/local-aws.md 3.4).
_JAVA_CLASSES = {r"\p{Alnum}": r"A-Za-z0-9", r"\p{ASCII}": r"\x00-\x7F", r"\p{Print}": r"\x20-\x7E"}
_JAVA = (
    (r"\z", r"\Z"),
    ("\\uD800\\uDC00-\\uDBFF\\uDFFF", "\\U00010000-\\U0010FFFF"),
)


def validate(service: str, operation: str, parameters: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Everything that AWS would refuse by its published model, with the member's path in AWS's own words."""
    shape = _input_shape(service, operation)
    if shape is None:
        return ()
    return tuple(Finding(path or operation, message) for path, message in _structure(shape, parameters, ""))


@functools.cache
def _input_shape(service: str, operation: str) -> StructureShape | None:
    model = _service_model(service).operation_model(operation)
    return model.input_shape


@functools.cache
def _service_model(service: str) -> Any:
    return botocore.session.get_session().get_service_model(service)


@functools.cache
def _pattern(text: str) -> Any:
    for java, python in _JAVA:
        text = text.replace(java, python)
    return regex.compile(_TOKEN.sub(_AsciiClasses(), text), regex.DOTALL)


_TOKEN = regex.compile(r"\\p\{\w+\}|\\.|[\[\]]")


class _AsciiClasses:
    """Replaces Java's ASCII classes, with brackets of their own where they do not stand in any."""

    def __init__(self) -> None:
        self._inside = False

    def __call__(self, token: Any) -> str:
        text: str = token[0]
        if text in "[]":
            self._inside = text == "["
        plain = _JAVA_CLASSES.get(text)
        return text if plain is None else plain if self._inside else f"[{plain}]"


def _check(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    check = _CHECKS.get(shape.type_name)
    if check is not None:
        yield from check(shape, value, path)


def _number(kind: type[float], words: str, shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, bool) or not isinstance(value, kind | int):
        yield path, f"must be {words}, not {_named(value)}"
    else:
        yield from _bounds(shape, value, path, "")


def _boolean(shape: Shape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, bool):
        yield path, f"must be true or false, not {_named(value)}"


def _structure(shape: Any, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"must be an object, not {_named(value)}"
        return
    for name in shape.required_members:
        if value.get(name) is None:
            yield _join(path, name), "is required"
    for name, member in value.items():
        if name not in shape.members:
            yield _join(path, name), f"is not a member of {shape.name}{_hint(name, shape.members)}"
        elif member is not None:
            yield from _check(shape.members[name], member, _join(path, name))


def _list(shape: ListShape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, list | tuple):
        yield path, f"must be a list, not {_named(value)}"
        return
    yield from _bounds(shape, len(value), path, "items")
    for index, item in enumerate(value):
        yield from _check(shape.member, item, f"{path}[{index}]")


def _map(shape: MapShape, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, Mapping):
        yield path, f"must be an object, not {_named(value)}"
        return
    yield from _bounds(shape, len(value), path, "entries")
    for key, item in value.items():
        yield from _check(shape.key, key, f"{path} key {key}")
        yield from _check(shape.value, item, _join(path, str(key)))


def _string(shape: Any, value: Any, path: str) -> Iterator[tuple[str, str]]:
    if not isinstance(value, str):
        yield path, f"must be a text, not {_named(value)}: put it in quotes"
        return
    if shape.enum and value not in shape.enum:
        yield path, f'"{value}" is not one of {_listed(shape.enum)}'
        return
    yield from _bounds(shape, len(value), path, "characters")
    pattern = shape.metadata.get("pattern")
    if pattern and not _pattern(pattern).fullmatch(value):
        yield path, f'"{value}" does not match {pattern}'


def _bounds(shape: Shape, value: float, path: str, unit: str) -> Iterator[tuple[str, str]]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    what = f"{value} {unit}".strip()
    if least is not None and value < least:
        yield path, f"{what}: at least {least} needed"
    if most is not None and value > most:
        yield path, f"{what}: at most {most} allowed"


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f": did you mean {near[0]}?" if near else f"; its members are {_listed(list(known))}"


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _listed(values: list[str]) -> str:
    shown = sorted(values)
    return ", ".join(shown[:30]) + (f" and {len(shown) - 30} more" if len(shown) > 30 else "")


def _named(value: Any) -> str:
    return {bool: "true or false", int: "a number", float: "a number", str: "a text", dict: "an object", list: "a list"}.get(
        type(value), "nothing" if value is None else type(value).__name__
    )


# Timestamps and blobs are left to the SDK, which serialises them.
_CHECKS: Mapping[str, Callable[[Any, Any, str], Iterator[tuple[str, str]]]] = {
    "structure": _structure,
    "list": _list,
    "map": _map,
    "string": _string,
    "integer": functools.partial(_number, int, "a whole number"),
    "long": functools.partial(_number, int, "a whole number"),
    "float": functools.partial(_number, float, "a number"),
    "double": functools.partial(_number, float, "a number"),
    "boolean": _boolean,
}
