"""Each job sees its own folder as `/opt/ml`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from executor_bench import Bench

from local_aws.executor import Executor, isolation, linux

FORBID = """
from local_aws.executor import linux

def refuse():
    raise PermissionError(1, "unshare(CLONE_NEWNS): Operation not permitted")

linux.new_mount_namespace = refuse
"""


@pytest.fixture
def restricted(tmp_path: Path) -> Iterator[Bench]:
    """An executor where namespaces are forbidden, as in a restricted pod: the zygote preloads a module that says so."""
    folder = tmp_path / "executor"
    folder.mkdir()
    (folder / "forbid.py").write_text(FORBID)
    executor = Executor(folder, preload=("forbid",))
    executor.start()
    yield Bench(executor, tmp_path)
    executor.close()


def test_two_jobs_see_their_own_folder(bench: Bench) -> None:
    """Hard-coded paths work for jobs side by side, and the machine's own `/opt/ml` stays as it was."""
    assert bench.executor.isolation == "mount-namespace"
    path = bench.write(
        "import os, pathlib, sys\n"
        "model = pathlib.Path('/opt/ml/model'); model.mkdir()\n"
        "(model / 'name').write_text(sys.argv[1])\n"
        "ready = pathlib.Path('/opt/ml/other')\n"
    )
    roots = [bench.folder / name for name in ("a", "b")]
    outcomes = []
    for root in roots:
        root.mkdir()
        outcomes.append(bench.submit(str(path), root.name, root=root)[1])
    assert [outcome.wait().code for outcome in outcomes] == [0, 0], bench.text()
    assert [(root / "model/name").read_text() for root in roots] == ["a", "b"]
    assert not Path("/opt/ml/model").exists()


def test_script_and_directory_may_lie_in_opt_ml(bench: Bench) -> None:
    """`/opt/ml/code` is the working directory of script mode."""
    bench.write("import os, sys; print(os.getcwd(), sys.path[0])", "root/code/train.py")
    _, outcome = bench.submit("train.py", root=bench.folder / "root", cwd=Path("/opt/ml/code"))
    assert outcome.wait().code == 0, bench.text()
    assert bench.text() == "/opt/ml/code /opt/ml/code\n"


def test_commands_see_it_too(bench: Bench) -> None:
    """A shell and what it starts share the namespace of their job."""
    root = bench.folder / "root"
    root.mkdir()
    command = "mkdir /opt/ml/model && /bin/sh -c 'echo data > /opt/ml/model/x'"
    _, outcome = bench.submit("/bin/sh", "-c", command, root=root, interpreter=Path("/bin/sh"))
    assert outcome.wait().code == 0, bench.text()
    assert (root / "model/x").read_text() == "data\n"


def test_missing_opt_ml_is_made_in_memory(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where /opt/ml can't be created, a tmpfs over its parent shows it beside what lies there."""
    opt = bench.folder / "opt"
    (opt / "tools").mkdir(parents=True)
    (opt / "tools/version").write_text("1")
    (opt / "note").write_text("text")
    (opt / "link").symlink_to("tools")
    root = bench.folder / "root"
    root.mkdir()
    (root / "data").write_text("of the job")
    monkeypatch.setattr(isolation, "_OPT", str(opt))
    monkeypatch.setattr(isolation, "OPT_ML", str(opt / "ml"))
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            isolation.mount(str(root))
            seen = [(opt / name).read_text() for name in ("tools/version", "note", "link/version", "ml/data")]
            os.write(write, json.dumps(seen).encode())
        finally:
            os._exit(0)
    os.close(write)
    os.waitpid(pid, 0)
    with open(read) as pipe:
        assert json.loads(pipe.read()) == ["1", "text", "1", "of the job"]
    assert not (opt / "ml").exists()


def test_forbidden_namespaces_are_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The probe tells why jobs get no `/opt/ml` of their own."""

    def refuse() -> None:
        raise PermissionError(1, "unshare(CLONE_NEWNS): Operation not permitted")

    monkeypatch.setattr(linux, "new_mount_namespace", refuse)
    mode, reason = isolation.probe()
    assert mode == "re-rooted"
    assert "unshare(CLONE_NEWNS)" in reason


def test_paths_are_rewritten_where_namespaces_are_forbidden(restricted: Bench) -> None:
    """Arguments, environment and working directory then name the job's folder."""
    assert restricted.executor.isolation == "re-rooted"
    root = restricted.folder / "root"
    restricted.write("import json, os, sys; print(json.dumps([os.getcwd(), sys.argv[1:], dict(os.environ)]))", "root/code/train.py")
    _, outcome = restricted.submit(
        "/opt/ml/code/train.py",
        "--data=/opt/ml/input/data/train",
        environment={"SM_MODEL_DIR": "/opt/ml/model", "SM_TRAINING_ENV": '{"model_dir":"/opt/ml/model"}'},
        root=root,
        cwd=Path("/opt/ml/code"),
    )
    assert outcome.wait().code == 0, restricted.text()
    cwd, argv, environment = json.loads(restricted.text())
    assert cwd == f"{root}/code"
    assert argv == [f"--data={root}/input/data/train"]
    assert environment["SM_MODEL_DIR"] == f"{root}/model"
    assert environment["SM_TRAINING_ENV"] == f'{{"model_dir":"{root}/model"}}'


@pytest.mark.parametrize("text", ["/opt/mlflow/x", "/data/opt/ml/x", "/opt/ml-data", "opt/ml"])
def test_other_paths_are_left_alone(text: str) -> None:
    """Only `/opt/ml` itself and what is below it moves."""
    assert isolation.re_root(text, "/jobs/1") == text
