"""One value of a YAML file replaced where it stands: every other byte, comments, order, quotes and line ends included, stays.

PyYAML's nodes say where in the text they are; nothing is ever printed anew. What cannot be changed in one place (an alias, a merged
key) is refused, because the edit would be seen elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import yaml


class NotEditable(Exception):
    """The value is not written at this place; the text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key and its value in a mapping."""

    key: yaml.ScalarNode
    value: yaml.Node


def mappings(text: str) -> Iterator[yaml.MappingNode]:
    """The documents that are mappings, with those in a List among them. Raises yaml.MarkedYAMLError."""
    for node in yaml.compose_all(text, yaml.SafeLoader):
        if isinstance(node, yaml.MappingNode):
            yield node
            items = entry(node, "items")
            if scalar(node, "kind") == "List" and items is not None and isinstance(items.value, yaml.SequenceNode):
                yield from (item for item in items.value.value if isinstance(item, yaml.MappingNode))


def entry(node: yaml.Node | None, name: str) -> Entry | None:
    """The entry of this name; None when there is none."""
    pairs = node.value if isinstance(node, yaml.MappingNode) else ()
    return next((Entry(key, value) for key, value in pairs if isinstance(key, yaml.ScalarNode) and key.value == name), None)


def at(node: yaml.Node | None, *names: str) -> yaml.Node | None:
    """The value under a path of names."""
    for name in names:
        found = entry(node, name)
        node = found.value if found is not None else None
    return node


def scalar(node: yaml.Node | None, *names: str) -> str | None:
    found = at(node, *names)
    return str(found.value) if isinstance(found, yaml.ScalarNode) else None


def within(outer: yaml.Node, inner: yaml.Node) -> None:
    """NotEditable unless `inner` is written inside `outer`: an alias is written where its anchor is."""
    if inner.start_mark.index < outer.start_mark.index or inner.end_mark.index > outer.end_mark.index:
        raise NotEditable(f"it is an alias of what is written in line {inner.start_mark.line + 1}: write it out here first")


def replaced(text: str, start: int, end: int, new: str, same: Callable[[str], bool]) -> str:
    """`text` with one stretch replaced. NotEditable when the result does not mean what was wanted, by `same`."""
    made = text[:start] + new + text[end:]
    if not same(made):
        raise NotEditable("the edited file would not say what was asked for: edit it by hand")
    return made
