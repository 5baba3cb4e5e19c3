"""A git repository as somebody at a desk has it: a clone, edits, commits, pushes. What Argo CD sees is only what was pushed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sagemaker_gitops.cli.errors import CommandError

AUTHOR = "A Data Scientist <data-scientist@example.com>"


@dataclass(frozen=True, slots=True)
class Repository:
    """A clone of `url` in `folder`. CommandError with git's words when git fails."""

    url: str
    folder: Path

    @classmethod
    def clone(cls, url: str, folder: Path) -> Repository:
        """Of a repository that may still be empty."""
        repository = cls(url, folder)
        folder.mkdir(parents=True)
        repository._git("init", "--quiet", "--initial-branch=main")
        repository._git("remote", "add", "origin", url)
        return repository

    def path(self, name: str) -> Path:
        return self.folder / name

    def copy(self, source: Path, name: str) -> None:
        """A file or a folder of ours into the clone; an earlier one is replaced."""
        target = self.path(name)
        if source.is_dir():
            shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)

    def write(self, name: str, text: str) -> None:
        self.path(name).parent.mkdir(parents=True, exist_ok=True)
        self.path(name).write_text(text)

    def edit(self, name: str, replacements: Mapping[str, str]) -> None:
        """Each text must be there: an edit that does nothing would prove nothing."""
        text = self.path(name).read_text()
        for old, new in replacements.items():
            if old not in text:
                raise CommandError(f"{self.path(name)} does not hold {old!r}")
            text = text.replace(old, new)
        self.path(name).write_text(text)

    def commit(self, message: str) -> str:
        """Everything as it is now, pushed; returns the commit's id."""
        self._git("add", "--all")
        self._git("commit", "--quiet", "--message", message)
        return self._push()

    def revert(self, revision: str) -> str:
        """`git revert` of a commit, pushed."""
        self._git("revert", "--no-edit", revision)
        return self._push()

    def _push(self) -> str:
        self._git("push", "--quiet", "origin", "main")
        return self._git("rev-parse", "HEAD").strip()

    def _git(self, *arguments: str) -> str:
        name, _, address = AUTHOR.removesuffix(">").partition(" <")
        who = {f"GIT_{role}_{what}": value for role in ("AUTHOR", "COMMITTER") for what, value in (("NAME", name), ("EMAIL", address))}
        # The person's own settings (signing, hooks, URL rewrites) are none of the sandbox's business.
        environment = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull, "GIT_TERMINAL_PROMPT": "0"}
        done = subprocess.run(["git", *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CommandError(f"git {' '.join(arguments)} in {self.folder}: {done.stderr.strip()}")
        return done.stdout
