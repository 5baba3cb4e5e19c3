"""YAML as kubectl reads it. tests/system/test_cli.py compares the same table with a real kubectl."""

from __future__ import annotations

import json
import tracemalloc

import pytest

from sagemaker_gitops.cli.kubectl_yaml import NotYaml, documents

# YAML -> what kubectl 1.32 and 1.36 make of it, as JSON.
READINGS = {
    "1e-4": "0.0001",
    "1e4": "10000",
    "1E5": "100000",
    ".5": "0.5",
    "5.": "5",
    "-.5": "-0.5",
    "+1": "1",
    "1.0": "1",
    "-0": "0",
    "1.5e3": "1500",
    "1_000": "1000",
    "1_0.5": "10.5",
    "0x1F": "31",
    "-0x1F": "-31",
    "017": "15",
    "-017": "-15",
    "0o17": "15",
    "0b11": "3",
    "08": "8",
    "09.5": "9.5",
    "9223372036854775807": "9223372036854775807",
    "9223372036854775808": "9223372036854775808",
    "-9223372036854775808": "-9223372036854775808",
    "1e400": '"1e400"',
    "1e-400": "0",
    "0x": '"0x"',
    "0o8": '"0o8"',
    "1.2-1": '"1.2-1"',
    "190:20:30": '"190:20:30"',
    "_1": '"_1"',
    "1.5.2": '"1.5.2"',
    "2020-01-02": '"2020-01-02"',
    "2020-01-02T03:04:05Z": '"2020-01-02T03:04:05Z"',
    "!!timestamp 2020-01-02": '"2020-01-02"',
    "yes": "true",
    "on": "true",
    "y": "true",
    "Y": "true",
    "TRUE": "true",
    "no": "false",
    "off": "false",
    "n": "false",
    "tRUE": '"tRUE"',
    "~": "null",
    "Null": "null",
    "": "null",
    "nULL": '"nULL"',
    "=": '"="',
    "[<<, 1]": '["<<", 1]',
    '"12"': '"12"',
    "!!str 12": '"12"',
    '!!int "7"': "7",
    "!!binary aGVsbG8=": '"hello"',
    "{on: 1, off: 2, 1: 3, 0x10: 4, 1e3: 5}": '{"1": 3, "1000": 5, "16": 4, "false": 2, "true": 1}',
    "{<<: {a: 1, b: 2}, b: 3}": '{"a": 1, "b": 3}',
    "{<<: [{a: 1}, {a: 2, b: 3}], c: 4}": '{"a": 1, "b": 3, "c": 4}',
    "[&x {q: 1}, *x]": '[{"q": 1}, {"q": 1}]',
}


@pytest.mark.parametrize(("text", "wanted"), READINGS.items())
def test_a_value_is_read_as_kubectl_reads_it(text: str, wanted: str) -> None:
    """Numbers, booleans, dates, keys and merges."""
    ((line, document),) = documents(f"\nx: {text}\n")
    assert line == 2
    assert document["x"] == json.loads(wanted)
    assert type(document["x"]) is type(json.loads(wanted)) or float(document["x"]) >= 2**63


def test_every_document_has_its_line_and_empty_ones_are_left_out() -> None:
    """A file of several documents, with comments only between some."""
    assert list(documents("a: 1\n---\n# nothing\n---\nb: 2\n")) == [(1, {"a": 1}), (5, {"b": 2})]


@pytest.mark.parametrize("width", [2, 100])
def test_aliases_that_unfold_without_end_are_refused_in_little_memory(width: int) -> None:
    """failure-modes.md K2: a few hundred bytes that mean gigabytes."""
    levels = [f"a0: &a0 [{', '.join(['x'] * width)}]"]
    levels += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * width)}]" for level in range(1, 30)]
    tracemalloc.start()
    with pytest.raises(NotYaml, match=r"more than 200000 values once aliases are unfolded"):
        list(documents("\n".join(levels)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200 * 1024 * 1024


@pytest.mark.parametrize("text", ["[" * 100_000, "{a: " * 100_000, "- " * 10_000])
def test_deep_nesting_is_refused(text: str) -> None:
    """Without the interpreter's recursion limit being met first."""
    with pytest.raises(NotYaml, match="nested more than 64 levels deep"):
        list(documents(text))


def test_a_file_that_is_too_large_is_refused() -> None:
    """Before it is parsed."""
    with pytest.raises(NotYaml, match="split it"):
        list(documents("a" * (8 * 1024 * 1024 + 1)))
