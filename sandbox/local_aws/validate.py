"""Checks a request against a botocore shape the way AWS's front end does, and in its words.

botocore's own client checks only presence, type and minimums; enum, pattern and maximums are seen by AWS
alone, so they must be seen here. Knows nothing of the rest of this package. Message forms are those quoted
in public issues.
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import regex
from botocore.model import Shape

from local_aws.compiled import Compiled

Check = Callable[[Any, str, list[str]], Any]
"""(JSON value, path, problems to append to) -> the typed value."""

Constraint = tuple[str, Callable[[Any], bool]]
"""AWS's text and the test for one constraint of a scalar."""

_SURROGATES: Final = "\\uD800\\uDC00-\\uDBFF\\uDFFF"
_ASTRAL: Final = "\\U00010000-\\U0010FFFF"
_UNICODE_PROPERTY: Final = regex.compile(r"\\p\{[LMNPSZ]")
_TOKENS: Final = {str: "STRING_VALUE", int: "NUMBER_VALUE", float: "NUMBER_VALUE"}
_ARTICLES: Final = {
    "integer": "an Integer",
    "long": "a Long",
    "float": "a Float",
    "double": "a Double",
    "string": "a String",
    "boolean": "a Boolean",
    "timestamp": "a Timestamp",
    "blob": "a Blob",
}


class UnserializableError(Exception):
    """A JSON value has the wrong type; AWS answers `SerializationException` at the first one."""


class ConstraintViolationError(Exception):
    """The request breaks constraints of the model; AWS answers `ValidationException` naming all of them."""

    def __init__(self, problems: list[str]) -> None:
        plural = "" if len(problems) == 1 else "s"
        super().__init__(f"{len(problems)} validation error{plural} detected: {'; '.join(problems)}")
        self.problems = problems


def compile_pattern(pattern: str) -> regex.Pattern[str]:
    """A pattern of a service model, which is Java's dialect, to be matched against the whole string.

    `\\w` and `\\d` are ASCII in Java, yet `regex.ASCII` would also narrow `\\p{L}`, hence the two cases;
    `.` matches line ends because AWS accepts multi-line Glue schema definitions for patterns of bare dots.
    """
    flags = regex.DOTALL if _UNICODE_PROPERTY.search(pattern) else regex.DOTALL | regex.ASCII
    return regex.compile(pattern.replace(_SURROGATES, _ASTRAL), flags)


class Validator:
    """Compiled checks for the shapes of one service model; a shape is compiled at its first use."""

    def __init__(self) -> None:
        self._compiled = Compiled[Check]()

    def __call__(self, shape: Shape, value: Any) -> dict[str, Any]:
        """The typed parameters of a request without unknown members, which AWS ignores too.

        Raises UnserializableError or ConstraintViolationError.
        """
        problems: list[str] = []
        typed: dict[str, Any] = self._check(shape)(value, "", problems)
        if problems:
            raise ConstraintViolationError(problems)
        return typed

    def _check(self, shape: Shape) -> Check:
        return self._compiled.get(shape.name, lambda: self._compile(shape))

    def _compile(self, shape: Shape) -> Check:
        if shape.type_name == "structure":
            return self._any(shape) if shape.metadata.get("document") else self._structure(shape)
        if shape.type_name == "list":
            return self._list(shape)
        if shape.type_name == "map":
            return self._map(shape)
        return self._scalar(shape)

    def _any(self, shape: Shape) -> Check:
        def check(value: Any, path: str, problems: list[str]) -> Any:
            return value

        return check

    def _structure(self, shape: Shape) -> Check:
        members: dict[str, tuple[Check, str]] = {}
        required = [(name, lower_camel(name)) for name in shape.required_members]
        union = bool(shape.metadata.get("union"))

        def check(value: Any, path: str, problems: list[str]) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise UnserializableError("Expected structure or null")
            typed: dict[str, Any] = {}
            prefix = path + "." if path else ""
            for name, item in value.items():
                if item is not None and (member := members.get(name)) is not None:
                    typed[name] = member[0](item, prefix + member[1], problems)
            for name, label in required:
                if name not in typed:
                    problems.append(_null(prefix + label))
            if union and len(typed) > 1:
                raise UnserializableError("Only one member of a union may be set")
            return typed

        # Registered before its members are compiled: shapes of Glue contain themselves.
        self._compiled.register(shape.name, check)
        for name, member in shape.members.items():
            members[name] = (self._check(member), lower_camel(name))
        return check

    def _list(self, shape: Shape) -> Check:
        sizes = _length_constraints(shape)
        sensitive = bool(shape.metadata.get("sensitive"))
        cell: list[Check] = []
        texts: tuple[Constraint, ...] = ()

        def check(value: Any, path: str, problems: list[str]) -> list[Any]:
            if not isinstance(value, list):
                raise UnserializableError("Expected list or null")
            _apply(sizes, value, path, problems, sensitive)
            inner: list[str] = []
            item = cell[0]
            typed = [item(entry, f"{path}.{index}.member", inner) for index, entry in enumerate(value, 1)]
            if inner:
                if texts and None not in value:
                    inner = [_summary(value, path, "Member must satisfy constraint", texts)]
                problems.extend(inner)
            return typed

        self._compiled.register(shape.name, check)
        cell.append(_not_null(self._check(shape.member)))
        texts = _constraints(shape.member)
        return check

    def _map(self, shape: Shape) -> Check:
        sizes = _length_constraints(shape)
        cells: list[Check] = []
        key_texts = _constraints(shape.key)
        value_texts = _constraints(shape.value)

        def check(value: Any, path: str, problems: list[str]) -> dict[str, Any]:
            if not isinstance(value, dict):
                raise UnserializableError("Expected map or null")
            _apply(sizes, value, path, problems, False)
            typed: dict[str, Any] = {}
            bad_keys: list[str] = []
            bad_values: list[str] = []
            for key, entry in value.items():
                cells[0](key, path, bad_keys)
                typed[key] = cells[1](entry, f"{path}.{key}.member", bad_values)
            if bad_keys:
                problems.append(_summary(value, path, "Map keys must satisfy constraint", key_texts))
            if bad_values and value_texts and None not in value.values():
                bad_values = [_summary(value, path, "Map value must satisfy constraint", value_texts)]
            problems.extend(bad_values)
            return typed

        self._compiled.register(shape.name, check)
        cells.extend((self._check(shape.key), _not_null(self._check(shape.value))))
        return check

    def _scalar(self, shape: Shape) -> Check:
        convert = _converter(shape.type_name)
        constraints = _constraints(shape)
        sensitive = bool(shape.metadata.get("sensitive"))

        def check(value: Any, path: str, problems: list[str]) -> Any:
            typed = convert(value)
            _apply(constraints, typed, path, problems, sensitive)
            return typed

        return check


def lower_camel(name: str) -> str:
    """How AWS spells a member in its messages: ResourceConfig -> resourceConfig."""
    return name[:1].lower() + name[1:]


def _not_null(check: Check) -> Check:
    def checked(value: Any, path: str, problems: list[str]) -> Any:
        if value is None:
            problems.append(_null(path))
            return None
        return check(value, path, problems)

    return checked


def _null(path: str) -> str:
    return f"Value null at '{path}' failed to satisfy constraint: Member must not be null"


def _apply(constraints: tuple[Constraint, ...], value: Any, path: str, problems: list[str], sensitive: bool) -> None:
    for text, holds in constraints:
        if not holds(value):
            shown = "Value" if sensitive else f"Value '{_java(value)}'"
            problems.append(f"{shown} at '{path}' failed to satisfy constraint: {text}")


def _summary(value: Any, path: str, what: str, constraints: tuple[Constraint, ...]) -> str:
    texts = ", ".join(text for text, _ in constraints)
    return f"Value '{_java(value)}' at '{path}' failed to satisfy constraint: {what}: [{texts}]"


def _java(value: Any) -> str:
    """A value as Java's `toString` shows it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={_java(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_java(entry) for entry in value) + "]"
    return "null" if value is None else str(value)


def _constraints(shape: Shape) -> tuple[Constraint, ...]:
    """The constraints of a scalar shape in AWS's order; empty for structures, lists and maps."""
    if shape.type_name in ("string", "blob"):
        found = list(_length_constraints(shape))
        if enum := shape.metadata.get("enum"):
            allowed = frozenset(enum)
            found.append((f"Member must satisfy enum value set: [{', '.join(enum)}]", allowed.__contains__))
        if pattern := shape.metadata.get("pattern"):
            found.append(_pattern_constraint(pattern))
        return tuple(found)
    return _bounds(shape) if shape.type_name in ("integer", "long", "float", "double") else ()


def _pattern_constraint(pattern: str) -> Constraint:
    compiled = compile_pattern(pattern)
    return (
        f"Member must satisfy regular expression pattern: {pattern}",
        lambda value: compiled.fullmatch(value) is not None,
    )


def _length_constraints(shape: Shape) -> tuple[Constraint, ...]:
    found: list[Constraint] = []
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None:
        found.append((f"Member must have length less than or equal to {high}", lambda v: len(v) <= high))
    if low is not None:
        found.append((f"Member must have length greater than or equal to {low}", lambda v: len(v) >= low))
    return tuple(found)


def _bounds(shape: Shape) -> tuple[Constraint, ...]:
    found: list[Constraint] = []
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if high is not None:
        found.append((f"Member must have value less than or equal to {high}", lambda v: v <= high))
    if low is not None:
        found.append((f"Member must have value greater than or equal to {low}", lambda v: v >= low))
    return tuple(found)


def _converter(type_name: str) -> Callable[[Any], Any]:
    """JSON value -> Python value; raises UnserializableError for another JSON type."""
    accepted, finish = _SCALARS[type_name]

    def convert(value: Any) -> Any:
        if type(value) not in accepted:
            raise _wrong(value, type_name)
        return finish(value) if finish else value

    return convert


def _wrong(value: Any, type_name: str) -> UnserializableError:
    if isinstance(value, dict):
        return UnserializableError("Start of structure or map found where not expected.")
    if isinstance(value, list):
        return UnserializableError("Start of list found where not expected")
    token = f"{value}_VALUE".upper() if isinstance(value, bool) else _TOKENS[type(value)]
    return UnserializableError(f"{token} can not be converted to {_ARTICLES[type_name]}")


def _whole(type_name: str, limit: int) -> Callable[[float], int]:
    def finish(value: float) -> int:
        if not math.isfinite(value) or int(value) != value:
            raise _wrong(value, type_name)
        if not -limit <= value < limit:
            raise UnserializableError(f"Numeric value ({value}) out of range")
        return int(value)

    return finish


def _moment(value: float) -> datetime:
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, ValueError, OSError) as error:
        raise UnserializableError(f"Timestamp ({value}) out of range") from error


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise UnserializableError("Invalid Base64 in a Blob") from error


_SCALARS: Final[Mapping[str, tuple[tuple[type, ...], Callable[[Any], Any] | None]]] = {
    "integer": ((int, float), _whole("integer", 2**31)),
    "long": ((int, float), _whole("long", 2**63)),
    "float": ((int, float), float),
    "double": ((int, float), float),
    "timestamp": ((int, float), _moment),
    "blob": ((str,), _decoded),
    "boolean": ((bool,), None),
    "string": ((str,), None),
}
"""Type of a shape -> the JSON types it takes and what is still to do with the value."""
