"""YAML as kubectl reads it (sigs.k8s.io/yaml over go-yaml v2), so that `lint` judges what the API server will be sent.

Measured with `kubectl annotate --local -o json`, and compared with it again by tests/system/test_cli.py: 1e4 is the whole number
10000, `on` and `y` are true, 017 and 0o17 are 15, 190:20:30 and dates are texts, keys become texts. PyYAML's own rules differ in
each of these. Three things that kubectl lets pass are refused, because in a manifest they are mistakes: a key given twice, tags
other than YAML's own, and what unfolds beyond the limits below (failure-modes.md K2).
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import yaml

SIZE_LIMIT: Final = 8 * 1024 * 1024  # characters of one file
DEPTH_LIMIT: Final = 64  # the API's own limit for a spec is half of it
VALUE_LIMIT: Final = 200_000  # values of one file, aliases unfolded
CORE: Final = "tag:yaml.org,2002:"
_TRUE = frozenset(["y", "Y", "yes", "Yes", "YES", "on", "On", "ON", "true", "True", "TRUE"])
_FALSE = frozenset(["n", "N", "no", "No", "NO", "off", "Off", "OFF", "false", "False", "FALSE"])
_NULL = frozenset(("", "~", "null", "Null", "NULL"))
_NO_JSON = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_WHOLE = re.compile(r"([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_BASES = (16, 2, 8, 10)


class NotYaml(Exception):
    """The text cannot be read. `line` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


def documents(text: str) -> Iterator[tuple[int, Any]]:
    """Each document that is not empty, with the line it begins at. Raises NotYaml."""
    if len(text) > SIZE_LIMIT:
        raise NotYaml(1, f"more than {SIZE_LIMIT} characters: split it")
    reader = _Reader()
    try:
        for node in yaml.compose_all(text, _Composer):
            value = reader.value(node, 0)
            if value is not None:
                yield node.start_mark.line + 1, value
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, error.problem or str(error)) from error
    except yaml.reader.ReaderError as error:
        raise NotYaml(text.count("\n", 0, error.position) + 1, f"the character {chr(error.character)!r} is not allowed") from error


class _Composer(yaml.SafeLoader):
    """Builds nodes only; what a scalar means is decided here, never by a constructor."""

    depth = 0

    def resolve(self, kind: Any, value: Any, implicit: Any) -> str:
        """A plain scalar keeps an empty tag: it is read by its text."""
        if kind is yaml.ScalarNode and implicit[0]:
            return ""
        return {yaml.ScalarNode: f"{CORE}str", yaml.SequenceNode: f"{CORE}seq"}.get(kind, f"{CORE}map")

    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise NotYaml(self.peek_event().start_mark.line + 1, f"nested more than {DEPTH_LIMIT} levels deep")  # type: ignore[no-untyped-call]
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


@dataclass(slots=True)
class _Reader:
    """Nodes to JSON values. `values` counts what was read so far, aliases unfolded."""

    values: int = 0

    def value(self, node: yaml.Node, depth: int) -> Any:
        self.values += 1
        if self.values > VALUE_LIMIT:
            raise _at(node, f"more than {VALUE_LIMIT} values once aliases are unfolded")
        if depth > DEPTH_LIMIT:
            raise _at(node, f"nested more than {DEPTH_LIMIT} levels deep")
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode) and node.tag == f"{CORE}seq":
            return [self.value(item, depth + 1) for item in node.value]
        if isinstance(node, yaml.MappingNode) and node.tag == f"{CORE}map":
            return self._mapping(node, depth)
        raise _at(node, f"the tag {_short(node.tag)} means nothing in a manifest: leave it out")

    def _mapping(self, node: yaml.MappingNode, depth: int) -> dict[str, Any]:
        found: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for key_node, value_node in node.value:
            value = self.value(value_node, depth + 1)
            if key_node.tag == "" and key_node.value == "<<":
                merged = _merged(value_node, value) | merged
                continue
            key = _key(key_node)
            if key in found:
                raise _at(key_node, f'the key "{key}" is given twice: kubectl would drop the first one silently')
            found[key] = value
        return merged | found


def _merged(node: yaml.Node, value: Any) -> dict[str, Any]:
    """The value of `<<`: an object, or several of which the first has the last word."""
    parts = value if isinstance(value, list) else [value]
    if not all(isinstance(part, dict) for part in parts):
        raise _at(node, "<< takes an object or a list of objects")
    return {key: item for part in reversed(parts) for key, item in part.items()}


def _key(node: yaml.Node) -> str:
    """JSON's keys are texts: on -> "true", 1.0 -> "1". Fractions are not guessed at: kubectl rounds them to 32 bits."""
    value = _scalar(node) if isinstance(node, yaml.ScalarNode) else None
    if value is None or isinstance(value, float):
        shown = f" {node.value}" if value is not None else ""
        raise _at(node, f"a key must be a text: put quotes around{shown or ' it'}")
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _scalar(node: yaml.ScalarNode) -> Any:
    text: str = node.value
    match node.tag.removeprefix(CORE):
        case "":
            return _plain(node, text)
        case "str" | "timestamp":
            return text
        case "bool" | "int" | "float" | "null":
            return _plain(node, text)
        case "binary":
            try:
                return base64.b64decode(text).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise _at(node, f"!!binary: {error}") from error
        case _:
            raise _at(node, f"the tag {_short(node.tag)} means nothing in a manifest: leave it out")


def _plain(node: yaml.Node, text: str) -> Any:
    """go-yaml's `resolve`: null and booleans by word, then whole numbers, then floats; everything else is a text."""
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _NO_JSON.fullmatch(text):
        raise _at(node, f"{text} is no number in JSON: put quotes around it if it is a text")
    return _number(text) if text[0] in "+-.0123456789" else text


def _number(text: str) -> int | float | str:
    """Whole numbers beyond 64 bits become floats, floats without a fraction whole numbers, 1e400 a text."""
    plain = text.replace("_", "")
    if whole := _WHOLE.fullmatch(plain):
        digits, base = next((digits, base) for digits, base in zip(whole.groups()[1:], _BASES, strict=True) if digits is not None)
        # Longer than any 64-bit number in any base: Python is slow with very long ones.
        value = int(whole[1] + digits, base) if len(digits) <= 80 else None
        if value is not None and -(2**63) <= value < 2**64:
            return value if value < 2**63 else float(value)
    if _FLOAT.fullmatch(plain):
        number = float(plain)
        if math.isinf(number):
            return text
        return int(number) if number.is_integer() and abs(number) < 2**63 else number
    return text


def _at(node: yaml.Node, message: str) -> NotYaml:
    return NotYaml(node.start_mark.line + 1, message)


def _short(tag: str) -> str:
    return f"!!{tag.removeprefix(CORE)}" if tag.startswith(CORE) else tag
