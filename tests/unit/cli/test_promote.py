"""promote: the pin changes and nothing else does, to the byte; what cannot be edited in one place is refused with the way out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sagemaker_gitops.cli.main import main

FILE = """\
# Owned by team-a.  Keep   these spaces.
apiVersion: v1
kind: ConfigMap
metadata: {name: digits}
data: {version: "7"}
---
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata:
    name: digits   # odd indent
spec:
    variants:
    -   name: blue
        model: {package: {group: digits,   version: 7}}   # the pin
        weight: 0.9
    -   name: green
        model:
            package:
                approved: Latest  # follows the registry
                group: digits
    -   {name: mine, model: {image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/serve:1"}}
---
apiVersion: sagemaker-gitops.dev/v1alpha1
kind: ModelEndpoint
metadata: {name: other}
spec: {variants: [{name: blue, model: {package: {group: digits, version: 7}}}]}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "endpoints.yaml"
    found.write_bytes(FILE.encode())
    return found


def promote(path: Path, *arguments: str, name: str = "digits") -> int:
    return main(["promote", name, "--file", str(path), *arguments])


def test_only_the_number_changes(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Comments, spaces and the other documents stay; the diff is shown."""
    assert promote(path, "--variant", "blue", "--version", "12") == 0
    assert path.read_bytes().decode() == FILE.replace(
        "group: digits,   version: 7}}   # the pin", "group: digits,   version: 12}}   # the pin"
    )
    out = capsys.readouterr().out
    assert "+        model: {package: {group: digits,   version: 12}}   # the pin" in out
    assert len([line for line in out.splitlines() if line.startswith(("+", "-"))]) == 4


def test_windows_line_ends_and_a_mark_at_the_beginning_stay(path: Path) -> None:
    """Bytes are bytes, whoever wrote them."""
    path.write_bytes(b"\xef\xbb\xbf" + FILE.replace("\n", "\r\n").encode())
    assert promote(path, "--variant", "blue", "--version", "8") == 0
    wanted = FILE.replace("version: 7}}   # the pin", "version: 8}}   # the pin").replace("\n", "\r\n")
    assert path.read_bytes() == b"\xef\xbb\xbf" + wanted.encode()


def test_the_mode_of_the_file_stays_and_a_link_stays_one(path: Path, tmp_path: Path) -> None:
    """The file is put in its place whole; no other file is left behind."""
    path.chmod(0o640)
    link = tmp_path / "link.yaml"
    link.symlink_to(path)
    assert promote(link, "--variant", "blue", "--version", "8") == 0
    assert link.is_symlink()
    assert path.stat().st_mode & 0o777 == 0o640
    assert sorted(item.name for item in tmp_path.iterdir()) == ["endpoints.yaml", "link.yaml"]


def test_approved_latest_is_pinned_only_when_told(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who decides what serves changes with it."""
    assert promote(path, "--variant", "green", "--version", "8") == 1
    assert "give --convert to pin it" in capsys.readouterr().err
    assert path.read_text() == FILE
    assert promote(path, "--variant", "green", "--version", "8", "--convert") == 0
    assert path.read_text() == FILE.replace("approved: Latest  # follows", "version: 8  # follows")


def test_a_variant_without_a_package_is_refused(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is no version to write."""
    assert promote(path, "--variant", "mine", "--version", "8") == 1
    assert "variant mine uses image, not a package" in capsys.readouterr().err
    assert path.read_text() == FILE


@pytest.mark.parametrize(
    ("arguments", "name", "words"),
    [
        (["--version", "8"], "digits", "has the variants blue, green, mine: name one of them with --variant"),
        (["--version", "8", "--variant", "red"], "digits", "has the variants blue, green, mine"),
        (["--version", "8"], "nobody", "the file holds no ModelEndpoint nobody"),
        (["--version", "-1", "--variant", "blue"], "digits", "--version must be 1 or more"),
    ],
)
def test_a_mistake_is_a_sentence(path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], name: str, words: str) -> None:
    """Exit code 2, nothing written."""
    assert promote(path, *arguments, name=name) == 2
    assert words in capsys.readouterr().err
    assert path.read_text() == FILE


def test_the_only_variant_needs_no_name(path: Path) -> None:
    """And the file's other endpoint of the same group is not touched."""
    assert promote(path, "--version", "9", name="other") == 0
    assert path.read_text() == FILE[::-1].replace("7 :noisrev", "9 :noisrev", 1)[::-1]


def test_a_pin_that_is_there_writes_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even the same bytes."""
    before = path.stat().st_mtime_ns
    assert promote(path, "--variant", "blue", "--version", "7", "-o", "json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["changed"], told["from"], told["to"], told["diff"]) == (False, "7", 7, "")
    assert path.stat().st_mtime_ns == before


def test_a_dry_run_writes_nothing(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert promote(path, "--variant", "blue", "--version", "8", "--dry-run") == 0
    assert "version: 8" in capsys.readouterr().out
    assert path.read_text() == FILE


@pytest.mark.parametrize(
    "shared",
    [
        "variants: [{name: a, model: {package: &p {group: g, version: 1}}}, {name: b, model: {package: *p}}]",
        "variants: [{name: b, model: {package: &p {group: g, version: 1}}}, {name: a, model: {package: *p}}]",
        "variants: [{name: b, model: {package: {group: g, version: &v 1}}}, {name: a, model: {package: {group: g, version: *v}}}]",
    ],
)
def test_what_is_shared_with_another_place_is_refused(path: Path, capsys: pytest.CaptureFixture[str], shared: str) -> None:
    """An edit of an anchor would change what nobody named."""
    text = f"apiVersion: sagemaker-gitops.dev/v1alpha1\nkind: ModelEndpoint\nmetadata: {{name: digits}}\nspec:\n  {shared}\n"
    path.write_text(text)
    assert promote(path, "--variant", "a", "--version", "2") == 1
    said = capsys.readouterr().err
    assert any(words in said for words in ("it is an alias of what is written", "edit it by hand"))
    assert path.read_text() == text


def test_what_is_no_yaml_is_told_with_its_line(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A template, for one."""
    path.write_text("kind: {{ .Values.kind }}\n  x")
    assert promote(path, "--version", "2") == 2
    assert "endpoints.yaml:2" in capsys.readouterr().err
