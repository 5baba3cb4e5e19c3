"""`/opt/ml` for one job: the job's folder mounted there, or its paths rewritten where namespaces are forbidden."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_aws.executor import linux
from local_aws.executor.process import Isolation

OPT_ML = "/opt/ml"
_OPT = "/opt"
_OPT_ML_PATH = re.compile(r"(?<![\w./-])/opt/ml(?![\w.-])")


def mount(root: str) -> None:
    """Show `root` as `/opt/ml` to this process and its descendants only. Raises OSError where that is forbidden."""
    linux.new_mount_namespace()
    folder = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    if not os.path.isdir(OPT_ML):
        _make_opt_ml()
    linux.bind(f"/proc/self/fd/{folder}", OPT_ML)
    os.close(folder)


def make_mount_point() -> None:
    """Create `/opt/ml` on the machine once, so that no job needs a tmpfs over `/opt`; only root normally may."""
    with contextlib.suppress(OSError):
        os.makedirs(OPT_ML, exist_ok=True)


def _make_opt_ml() -> None:
    """Cover `/opt` by a tmpfs that shows what was there, and `ml` besides."""
    kept = [(name, os.open(f"{_OPT}/{name}", os.O_PATH | os.O_NOFOLLOW)) for name in os.listdir(_OPT)]
    linux.mount_tmpfs(_OPT)
    for name, descriptor in kept:
        _show_again(f"/proc/self/fd/{descriptor}", f"{_OPT}/{name}", descriptor)
        os.close(descriptor)
    os.mkdir(OPT_ML)


def _show_again(source: str, target: str, descriptor: int) -> None:
    mode = os.fstat(descriptor).st_mode
    if (mode & 0o170000) == 0o120000:
        os.symlink(os.readlink("", dir_fd=descriptor), target)
        return
    if (mode & 0o170000) == 0o040000:
        os.mkdir(target)
    else:
        Path(target).touch()
    linux.bind(source, target)


def probe() -> tuple[Isolation, str]:
    """How jobs of this machine can see `/opt/ml`, tried in a forked child, and why not better (empty if nothing)."""
    if not linux.available:
        return "re-rooted", "mount namespaces need Linux"
    make_mount_point()
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            with tempfile.TemporaryDirectory() as folder:
                mount(folder)
        except OSError as error:
            os.write(write, str(error).encode())
        finally:
            os._exit(0)
    os.close(write)
    with open(read, "rb") as pipe:
        reason = pipe.read().decode()
    os.waitpid(pid, 0)
    return ("re-rooted", reason) if reason else ("mount-namespace", "")


def re_root(text: str, root: str) -> str:
    """`text` with every path in `/opt/ml` moved below `root`."""
    return _OPT_ML_PATH.sub(lambda _: root, text)


def re_rooted(argv: Sequence[str], environment: Mapping[str, str], cwd: str, root: str) -> tuple[list[str], dict[str, str], str]:
    """Arguments, environment and working directory for a process that can't have its own `/opt/ml`."""
    moved = {key: re_root(value, root) for key, value in environment.items()}
    return [re_root(word, root) for word in argv], moved, re_root(cwd, root)
