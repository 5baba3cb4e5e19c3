"""The JSONPath of batch transform's filters: names, indexes, slices, unions and the wildcard, on JSON values and CSV rows.

Pure. Recursive descent and filter expressions are not offered; neither does AWS (developer guide, "Associate Prediction Results
with Input Records", operators).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

_NAME: Final = re.compile(r"\.([^.\[\]()?@*'\"\s]+)")
_WILDCARD: Final = re.compile(r"\.\*|\[\*\]")
_NAMES: Final = re.compile(r"\[\s*('[^']*'|\"[^\"]*\")(\s*,\s*('[^']*'|\"[^\"]*\"))*\s*\]")
_QUOTED: Final = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_ITEM: Final = r"\s*(?:-?\d+|(?:-?\d+)?\s*:\s*(?:-?\d+)?)\s*"
_ITEMS: Final = re.compile(rf"\[({_ITEM}(?:,{_ITEM})*)\]")


class PathError(ValueError):
    """An expression that is not of this JSONPath, or a value that it does not fit; the text names both."""


@dataclass(frozen=True, slots=True)
class Names:
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Items:
    """Indexes and slices of a list, as in `[0,5:]`."""

    items: tuple[int | slice, ...]


@dataclass(frozen=True, slots=True)
class Wildcard:
    pass


Segment = Names | Items | Wildcard


@dataclass(frozen=True, slots=True)
class Path:
    """A parsed expression; `$` alone has no segments and selects everything."""

    text: str
    segments: tuple[Segment, ...]

    @property
    def everything(self) -> bool:
        return not self.segments

    def select(self, value: Any) -> Any:
        """What the path selects: one value, a list of several, or an object of several names. PathError when nothing fits."""
        try:
            return _select(self.segments, value)
        except (KeyError, IndexError, TypeError) as error:
            raise PathError(f"{self.text} does not fit the record") from error


def parse(text: str) -> Path:
    """An expression such as `$[1:]` or `$['id','SageMakerOutput']`; PathError for any other text."""
    if not text.startswith("$"):
        raise PathError(f"{text!r} is not a JSONPath expression: it must begin with $")
    segments: list[Segment] = []
    at = 1
    while at < len(text):
        segment, at = _segment(text, at)
        segments.append(segment)
    return Path(text, tuple(segments))


def _segment(text: str, at: int) -> tuple[Segment, int]:
    if found := _WILDCARD.match(text, at):
        return Wildcard(), found.end()
    if found := _NAME.match(text, at):
        return Names((found[1],)), found.end()
    if found := _NAMES.match(text, at):
        return Names(tuple(single or double for single, double in _QUOTED.findall(found[0]))), found.end()
    if found := _ITEMS.match(text, at):
        return Items(tuple(_item(item) for item in found[1].split(","))), found.end()
    raise PathError(f"{text!r} is not supported at {text[at:]!r}: use .name, ['a','b'], [0], [0,2], [1:] or [*]")


def _item(text: str) -> int | slice:
    start, colon, end = (part.strip() for part in text.partition(":"))
    return slice(int(start) if start else None, int(end) if end else None) if colon else int(start)


def _select(segments: Sequence[Segment], value: Any) -> Any:
    if not segments:
        return value
    first, rest = segments[0], segments[1:]
    match first:
        case Names((name,)):
            return _select(rest, value[name])
        case Names(names):
            return {name: _select(rest, value[name]) for name in names}
        case Items((int() as index,)):
            return _select(rest, _listed(value)[index])
        case Items(items):
            values = _listed(value)
            found = [values[item] if isinstance(item, slice) else [values[item]] for item in items]
            return [_select(rest, each) for several in found for each in several]
        case Wildcard():
            return [_select(rest, each) for each in (value.values() if isinstance(value, dict) else _listed(value))]


def _listed(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("not a list")
    return value
