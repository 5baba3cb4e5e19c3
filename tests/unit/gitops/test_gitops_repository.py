"""The bare repositories over HTTP and the clone that commits to them: real git on both sides."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from local_cluster.git_server import GitServer
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.gitops_repository import Repository


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """An empty bare repository, served."""
    subprocess.run(["git", "init", "--quiet", "--bare", "--initial-branch=main", tmp_path / "served" / "team.git"], check=True)
    with GitServer(tmp_path / "served", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/team.git"
        finally:
            server.shutdown()
            thread.join(10)


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], capture_output=True, text=True, check=True).stdout


def test_what_is_committed_can_be_cloned(url: str, tmp_path: Path) -> None:
    """The branch is main, and a large commit (git compresses and chunks it) arrives whole."""
    repository = Repository.clone(url, tmp_path / "clone")
    large = "".join(f"{number * 7919 % 1_000_003}\n" for number in range(300_000))
    repository.write("data/large.csv", large)
    revision = repository.commit("A large file")
    assert git("ls-remote", url, "refs/heads/main").split()[0] == revision
    git("clone", "--quiet", "--depth=1", url, str(tmp_path / "other"))
    assert (tmp_path / "other" / "data" / "large.csv").read_text() == large


def test_a_revert_is_a_commit_that_undoes_another(url: str, tmp_path: Path) -> None:
    """Also of one that is not the newest."""
    repository = Repository.clone(url, tmp_path / "clone")
    repository.write("a", "1\n")
    repository.commit("a")
    repository.write("a", "2\n")
    edited = repository.commit("a is 2")
    repository.write("b", "1\n")
    repository.commit("b")
    reverted = repository.revert(edited)
    assert repository.path("a").read_text() == "1\n"
    assert repository.path("b").exists()
    assert git("ls-remote", url, "refs/heads/main").split()[0] == reverted


def test_an_edit_that_would_do_nothing_is_an_error(url: str, tmp_path: Path) -> None:
    """A step of the story that changes nothing would prove nothing."""
    repository = Repository.clone(url, tmp_path / "clone")
    repository.write("a.yaml", "version: 1\n")
    with pytest.raises(CommandError, match=r"a\.yaml does not hold 'version: 7'"):
        repository.edit("a.yaml", {"version: 7": "version: 8"})


def test_git_is_quoted_when_it_fails(url: str, tmp_path: Path) -> None:
    """Nothing to commit, in git's words."""
    repository = Repository.clone(url, tmp_path / "clone")
    with pytest.raises(CommandError, match="git commit"):
        repository.commit("nothing")


def test_only_what_is_in_the_folder_is_served(url: str, tmp_path: Path) -> None:
    """A path out of the folder finds nothing."""
    subprocess.run(["git", "init", "--quiet", "--bare", tmp_path / "private.git"], check=True)
    for path in ("../private.git", "%2e%2e/private.git", "team.git/../../private.git"):
        done = subprocess.run(["git", "ls-remote", url.replace("team.git", path)], capture_output=True, check=False)
        assert done.returncode != 0, path
