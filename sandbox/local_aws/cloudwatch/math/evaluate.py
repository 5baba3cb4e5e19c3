"""Resolves MetricDataQueries: metrics are fetched, expressions computed in the order in which they need each other."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from local_aws.cloudwatch.math.functions import FUNCTIONS, WORDS, mapped
from local_aws.cloudwatch.math.grammar import Array, Call, Name, Negation, Node, Number, Operation, Text, parse
from local_aws.cloudwatch.math.values import Frame, MathError, Series, Value, kind


def _divided(left: float, right: float) -> float | None:
    return left / right if right else None


def _power(left: float, right: float) -> float | None:
    try:
        found = left**right
    except (OverflowError, ZeroDivisionError):
        return None
    return None if isinstance(found, complex) else float(found)


_OPERATORS: Final[Mapping[str, Callable[[float, float], float | None]]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": _divided,
    "^": _power,
    "==": lambda left, right: float(left == right),
    "!=": lambda left, right: float(left != right),
    "<": lambda left, right: float(left < right),
    ">": lambda left, right: float(left > right),
    "<=": lambda left, right: float(left <= right),
    ">=": lambda left, right: float(left >= right),
    "&&": lambda left, right: float(bool(left) and bool(right)),
    "||": lambda left, right: float(bool(left) or bool(right)),
}


def names(node: Node) -> set[str]:
    """The ids that an expression refers to."""
    return {part.value for part in _parts(node) if isinstance(part, Name) and part.value not in WORDS}


def functions(node: Node) -> set[str]:
    """The functions that an expression calls."""
    return {part.function for part in _parts(node) if isinstance(part, Call)}


def _parts(node: Node) -> Iterator[Node]:
    yield node
    match node:
        case Operation(_, left, right):
            inner: Sequence[Node] = (left, right)
        case Negation(operand):
            inner = (operand,)
        case Call(_, items) | Array(items):
            inner = items
        case _:
            inner = ()
    for each in inner:
        yield from _parts(each)


Fetch = Callable[[Mapping[str, Any]], Series]
"""A MetricStat's points at the frame's starts."""


class Queries:
    """One list of MetricDataQueries over one range; every query is resolved once."""

    def __init__(self, queries: Sequence[Mapping[str, Any]], starts: Sequence[float], period: int, fetch: Fetch) -> None:
        self._queries = {query["Id"]: query for query in queries}
        self._fetch = fetch
        self._known: dict[str, Value] = {}
        self._pending: set[str] = set()
        metrics = {name: self._metric(name) for name, query in self._queries.items() if "MetricStat" in query}
        self._frame = Frame(starts, period, metrics, self.value)

    def value(self, name: str) -> Value:
        """MathError names what is wrong with an expression."""
        if name not in self._known:
            query = self._queries.get(name)
            if query is None:
                raise MathError(f"Undefined variable '{name}'")
            if name in self._pending:
                raise MathError(f"'{name}' refers to itself")
            self._pending.add(name)
            self._known[name] = compute(parse(query["Expression"]), self._frame)
        return self._known[name]

    def series(self, name: str) -> tuple[Series, ...]:
        """What a result shows: one series, or each of an array."""
        value = self.value(name)
        if isinstance(value, tuple):
            return tuple(item for item in value if isinstance(item, Series))
        if not isinstance(value, Series):
            raise MathError("The final result of an expression must be a TimeSeries or an array of TimeSeries, not a " + kind(value))
        return (value,)

    def _metric(self, name: str) -> Series:
        found = self._fetch(self._queries[name])
        self._known[name] = found
        return found


def compute(node: Node, frame: Frame) -> Value:
    """The value of a tree."""
    match node:
        case Number(value):
            return value
        case Text(text):
            return text
        case Name(name):
            return name if name in WORDS else frame.lookup(name)
        case Negation(operand):
            return mapped(compute(operand, frame), operator.neg)
        case Array(items):
            return tuple(compute(item, frame) for item in items)
        case Operation(sign, left, right):
            return _operate(sign, compute(left, frame), compute(right, frame))
        case Call(function, arguments):
            return _call(function, arguments, frame)


def _call(name: str, arguments: Sequence[Node], frame: Frame) -> Value:
    if name not in FUNCTIONS:
        raise MathError(f"Unknown function '{name}'")
    (fewest, most), function = FUNCTIONS[name]
    if not fewest <= len(arguments) <= most:
        raise MathError(f"{name} takes {fewest if fewest == most else f'{fewest} to {most}'} arguments, not {len(arguments)}")
    return function([compute(argument, frame) for argument in arguments], frame)


def _operate(sign: str, left: Value, right: Value) -> Value:
    """Series meet where both have a point, arrays item by item; a value of infinite size is no point."""
    work = _OPERATORS[sign]
    match left, right:
        case (float(), float()):
            found = work(left, right)
            return math.nan if found is None else found
        case (Series(), Series()):
            common = left.points.keys() & right.points.keys()
            return Series({start: found for start in common if (found := work(left.points[start], right.points[start])) is not None})
        case (Series(), float(number)):
            return mapped(left, lambda value: work(value, number))
        case (float(number), Series()):
            return mapped(right, lambda value: work(number, value))
        case (tuple(), Series() | float()):
            return tuple(_operate(sign, item, right) for item in left)
        case (Series() | float(), tuple()):
            return tuple(_operate(sign, left, item) for item in right)
    raise MathError(f"Unsupported operand type(s) for {sign}: '{kind(left)}' and '{kind(right)}'")
