"""Promises about the repository itself that no other test would notice."""

from __future__ import annotations

import importlib
import operator as standard_operator
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES_PER_MODULE = 400


def test_operator_is_a_source_root_and_shadows_nothing() -> None:
    """operator/__init__.py would break every interpreter that starts in the repository."""
    assert not (ROOT / "operator" / "__init__.py").exists()
    assert ROOT not in Path(str(standard_operator.__file__)).parents


def test_no_module_is_too_long() -> None:
    """A module that one cannot read in one sitting is two modules."""
    listed = subprocess.run(["git", "ls-files", "*.py"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    long = {name: lines for name in listed if (ROOT / name).exists() and (lines := _lines(ROOT / name)) > LINES_PER_MODULE}
    assert long == {}


def test_every_module_says_why_it_exists() -> None:
    """The first thing in a module is its docstring."""
    command = ["git", "ls-files", "operator/*.py", "sandbox/*.py", "jobs/*.py"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    silent = [name for name in listed if (ROOT / name).exists() and (text := (ROOT / name).read_text()) and not text.startswith('"""')]
    assert silent == []


def test_the_command_line_starts_without_kopf_and_boto3() -> None:
    """`lint --help` answers at once: it must not import what it does not use."""
    program = "import sys, sagemaker_gitops.cli.main; print([name for name in ('kopf', 'boto3', 'kubernetes') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_every_command_has_its_module() -> None:
    """What the help lists can be run."""
    commands = importlib.import_module("sagemaker_gitops.cli.main").COMMANDS
    modules = {name: importlib.import_module(f"sagemaker_gitops.cli.{name.replace('-', '_')}") for name in commands}
    missing = [name for name, module in modules.items() if not hasattr(module, "add_arguments")]
    assert missing == []


def test_tests_that_need_each_other_stay_on_one_worker() -> None:
    """By file: `--dist loadgroup` of pytest-xdist 3.8 groups nothing under pytest 9.2, where nobody reads the _nodeid that it sets."""
    run = [line for line in (ROOT / "Makefile").read_text().splitlines() if "-m pytest" in line]
    assert [line for line in run if "loadgroup" in line] == []
    assert [line for line in run if "tests/gitops" in line and "--ignore=tests/gitops" not in line and "--dist loadfile" not in line] == []


def _lines(path: Path) -> int:
    return path.read_text().count("\n")
