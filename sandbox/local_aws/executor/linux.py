"""System calls that Python 3.11 has no name for: parent-death signal, subreaper, namespaces, mounts.

On other systems `available` is False and the executor falls back to re-rooted paths and process groups.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

available = sys.platform == "linux"

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_CLONE_NEWNS = 0x00020000
_CLONE_NEWUSER = 0x10000000
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_PRIVATE = 0x40000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with_parent(parent: int) -> None:
    """SIGKILL for this process when the thread that forked it ends; `parent` is the pid it was forked by.

    A change of credentials (a new user namespace) clears the setting: call it after that.
    """
    if not available:
        return
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def adopt_orphans() -> None:
    """Descendants whose parent dies become children of this process (PR_SET_CHILD_SUBREAPER)."""
    if available:
        _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def children() -> Iterator[int]:
    """Pids of the direct children of this process, zombies too; none where there is no /proc."""
    me = os.getpid()
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            stat = entry.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(stat.rpartition(")")[2].split()[1]) == me:
            yield int(entry.parent.name)


def new_mount_namespace() -> None:
    """Give this single-threaded process private mounts; a user namespace that keeps uid and gid when not root.

    Raises OSError where the system forbids it (a restricted pod).
    """
    uid, gid = os.getuid(), os.getgid()
    if uid == 0:
        _check(_libc.unshare(_CLONE_NEWNS), "unshare(CLONE_NEWNS)")
    else:
        _check(_libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNS), "unshare(CLONE_NEWUSER|CLONE_NEWNS)")
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{uid} {uid} 1")
        Path("/proc/self/gid_map").write_text(f"{gid} {gid} 1")
    _check(_libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None), "mount(/, MS_PRIVATE)")


def bind(source: str, target: str) -> None:
    """Show `source` at `target`, with the mounts below it."""
    _check(_libc.mount(source.encode(), target.encode(), None, _MS_BIND | _MS_REC, None), f"mount({target})")


def mount_tmpfs(target: str) -> None:
    """An empty file system in memory at `target`."""
    _check(_libc.mount(b"tmpfs", target.encode(), b"tmpfs", 0, b"mode=755"), f"mount(tmpfs, {target})")
