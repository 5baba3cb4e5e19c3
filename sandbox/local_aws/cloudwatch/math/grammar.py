"""Reads an expression into a tree: arithmetic, comparison and logic with their precedences, calls, arrays, texts.

A recursive descent of six levels; `|| OR` binds least, then `&& AND`, comparison, `+ -`, `* /`, `^`, and the sign.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from local_aws.cloudwatch.math.values import MathError


@dataclass(frozen=True, slots=True)
class Number:
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    value: str


@dataclass(frozen=True, slots=True)
class Name:
    value: str


@dataclass(frozen=True, slots=True)
class Operation:
    sign: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negation:
    operand: Node


@dataclass(frozen=True, slots=True)
class Call:
    function: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    items: tuple[Node, ...]


Node = Number | Text | Name | Operation | Negation | Call | Array

_TOKEN: Final = re.compile(
    r"\s*(?:(?P<number>\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)|(?P<name>[A-Za-z_]\w*)|(?P<text>\"[^\"]*\"|'[^']*')"
    r"|(?P<sign>\|\||&&|[=!<>]=|[-+*/^<>(),\[\]]))"
)
_LEVELS: Final = (("||",), ("&&",), ("==", "!=", "<=", ">=", "<", ">"), ("+", "-"), ("*", "/"), ("^",))
_WORDS: Final = {"AND": "&&", "OR": "||"}
_DEEPEST: Final = 50


def parse(text: str) -> Node:
    """MathError for what is no expression."""
    reader = _Reader(_tokens(text))
    node = reader.level(0)
    if reader.next is not None:
        raise MathError(f"Unexpected '{reader.next[1]}'")
    return node


_Token = tuple[str, str]


def _tokens(text: str) -> list[_Token]:
    found, at = [], 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None:
            raise MathError(f"Unexpected character '{text[at:].strip()[:1]}'")
        group, value = match.lastgroup, match.group(match.lastgroup)
        found.append(("sign", _WORDS[value]) if value in _WORDS else (group, value))
        at = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[_Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    @property
    def next(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def level(self, number: int) -> Node:
        if number == len(_LEVELS):
            return self._signed()
        node = self.level(number + 1)
        while (sign := self._sign()) in _LEVELS[number]:
            self._at += 1
            node = Operation(sign, node, self.level(number + 1))
        return node

    def _sign(self) -> str:
        return self.next[1] if self.next is not None and self.next[0] == "sign" else ""

    def _signed(self) -> Node:
        if self._sign() == "-":
            self._at += 1
            return Negation(self._signed())
        return self._atom()

    def _atom(self) -> Node:
        if self.next is None:
            raise MathError("Unexpected end of expression")
        group, value = self.next
        self._at += 1
        if group == "number":
            return Number(float(value))
        if group == "text":
            return Text(value[1:-1])
        if group == "name":
            return self._call(value) if self._sign() == "(" else Name(value)
        if value == "(":
            self._depth += 1
            if self._depth > _DEEPEST:
                raise MathError("Too deeply nested")
            node = self.level(0)
            self._expect(")")
            self._depth -= 1
            return node
        if value == "[":
            return Array(self._list("]"))
        raise MathError(f"Unexpected '{value}'")

    def _call(self, name: str) -> Node:
        self._at += 1
        return Call(name, self._list(")"))

    def _list(self, closing: str) -> tuple[Node, ...]:
        items: list[Node] = []
        self._depth += 1
        if self._depth > _DEEPEST:
            raise MathError("Too deeply nested")
        if self._sign() != closing:
            items.append(self.level(0))
            while self._sign() == ",":
                self._at += 1
                items.append(self.level(0))
        self._expect(closing)
        self._depth -= 1
        return tuple(items)

    def _expect(self, sign: str) -> None:
        if self._sign() != sign:
            raise MathError(f"Expected '{sign}'")
        self._at += 1
