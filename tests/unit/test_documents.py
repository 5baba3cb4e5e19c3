"""What the documents tell people to type, open or set exists: targets, commands and their options, links, paths, names, settings."""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from sagemaker_gitops import config
from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION
from sagemaker_gitops.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(
    path
    for pattern in ("README.md", "docs/**/*.md", "*/README.md", "sandbox/*/README.md")
    for path in ROOT.glob(pattern)
    if not path.parent.name.startswith(".")
)
MADE = ("dist/", "docs/decisions/00")  # by `make image`; a decision by its number alone
KUBECTL = {"annotate", "apply", "delete", "explain", "get", "kustomize", "patch", "wait"}
# What kubectl calls our kinds.
NAMES = {name for kind in KINDS.values() for name in (kind.plural, kind.kind.lower(), *kind.short_names)}
LISTED = {"annotate", "delete", "explain", "get", "patch"}


def _code(text: str) -> Iterator[str]:
    """What is set as code: spans, and the lines of blocks; without comments."""
    yield from re.findall(r"`([^`\n]+)`", text)
    for line in text.splitlines():
        if line.startswith("    "):
            yield line.split("  #")[0].strip()


@pytest.fixture(params=DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def document(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_targets_exist(document: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {found for code in _code(document.read_text()) for found in re.findall(r"\bmake ([a-z][a-z-]*)", code)}
    assert named <= targets


def test_links_lead_somewhere(document: Path) -> None:
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", document.read_text()):
        path, _, heading = link.partition("#")
        target = document.parent / path if path else document
        if link.startswith("https://"):
            continue
        if not target.exists() or (heading and heading not in _headings(target)):
            broken.append(link)
    assert broken == []


def _headings(path: Path) -> set[str]:
    lines = re.findall(r"^#+ (.+)$", path.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", line).strip().lower().replace(" ", "-") for line in lines}


def test_paths_exist(document: Path) -> None:
    """As seen from here, from the document, from manifests/ (components, overlays) or from tests/ (the capabilities)."""
    bases = (ROOT, document.parent, ROOT / "manifests", ROOT / "tests")
    words = {word for code in _code(document.read_text()) for word in re.findall(r"(?<![\w./:<>-])[\w.-]+/[\w./*-]*", code)}
    named = {word for word in words if any((base / word.partition("/")[0]).is_dir() for base in bases)}
    exists = {word for word in named if any(any(base.glob(word.rstrip("/"))) for base in bases)}
    assert sorted(word for word in named - exists if not word.startswith(MADE)) == []


def test_commands_are_understood(document: Path) -> None:
    """Ours, with their options: after the program's name, after the dots of a table, or alone with an argument."""
    refused = []
    for code in _code(document.read_text()):
        named = re.match(r"(?:\.venv/bin/)?sagemaker-gitops (.+)|\.\.\. (.+)", code)
        words = shlex.split(named[1] or named[2] if named else code, comments=True) if named or code.split()[0] in COMMANDS else []
        if words and (words[0] not in COMMANDS or (len(words) > 1 and not _parses(words))):
            refused.append(code)
    assert refused == []


def _parses(words: list[str]) -> bool:
    parser = argparse.ArgumentParser()
    importlib.import_module(f"sagemaker_gitops.cli.{words[0].replace('-', '_')}").add_arguments(parser)
    try:
        parser.parse_args(words[1:])
    except SystemExit:
        return False
    return True


def test_kubectl_knows_what_it_is_told(document: Path) -> None:
    wrong = []
    for code in _code(document.read_text()):
        words = re.sub(r"^kubectl -n \S+ ", "kubectl ", code).split()
        if len(words) < 2 or words[0] != "kubectl":
            continue
        named = words[2].split(".")[0] if words[1] in LISTED and len(words) > 2 else "-"
        if words[1] not in KUBECTL or (named[0] not in "<-" and not set(re.split("[,/]", named)) <= NAMES):
            wrong.append(code)
    assert wrong == []


def test_annotations_and_settings_are_read(document: Path) -> None:
    """Names of ours on objects and at AWS are in the code, settings are read by config.py."""
    text = document.read_text()
    source = "".join(path.read_text() for path in (ROOT / "operator").rglob("*.py"))
    names = set(re.findall(rf"{GROUP}/([a-z][a-z0-9-]+)", text)) - {VERSION}
    assert sorted(name for name in names if f'/{name}"' not in source) == []
    fields = {field.name.upper() for field in dataclasses.fields(config.Settings)}
    assert set(re.findall(rf"{config.PREFIX}([A-Z_]+[A-Z])", text)) <= fields
