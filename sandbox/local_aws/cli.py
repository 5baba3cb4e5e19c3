"""`python -m local_aws`: serve a local AWS, and look into a running one."""

from __future__ import annotations

import argparse
import ctypes
import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NoReturn

from local_aws import images
from local_aws.client import AdminClient, AdminError
from local_aws.server import REGION, LocalServer, Settings, load_seed

_PR_SET_PDEATHSIG: Final = 1
_STOP_SECONDS: Final = 10.0
_FILTERS: Final = ("service", "operation", "resource", "caller", "accepted", "creating", "since")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    options = _parser().parse_args(arguments)
    try:
        if options.command == "serve":
            _serve(options)
        return _look(options)
    except (AdminError, OSError, ValueError) as error:
        print(f"local_aws: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m local_aws", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    serve = commands.add_parser("serve", help="serve until SIGTERM or SIGINT; prints the URL once it serves")
    serve.add_argument("--port", type=int, default=0, help="port on 127.0.0.1, 0 takes a free one")
    serve.add_argument("--folder", type=Path, required=True, help="scratch folder of this instance")
    serve.add_argument("--region", default=REGION)
    serve.add_argument("--seed", type=Path, help='JSON file {"roles": [...]}')
    serve.add_argument("--images", type=Path, help="YAML file in the form of local_aws/images.yaml: more images, before the known ones")
    serve.add_argument("--ready-file", type=Path, help="file to write the URL to")
    serve.add_argument("--die-with-parent", action="store_true", help="end when the starting thread ends")
    for name, text in (
        ("ledger", "the calls, one line each"),
        ("summary", "counts by operation"),
        ("health", "whether it answers"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--url", default=os.environ.get("AWS_ENDPOINT_URL"), help="default: AWS_ENDPOINT_URL")
        command.add_argument("--json", action="store_true", help="print the admin API's JSON")
        for field in _FILTERS if name != "health" else ():
            command.add_argument(f"--{field}")
    drawn = commands.add_parser("dashboard", help="a CloudWatch dashboard as a picture")
    drawn.add_argument("name")
    drawn.add_argument("--out", type=Path, help="PNG file to write, default: NAME.png")
    drawn.add_argument("--url", default=os.environ.get("AWS_ENDPOINT_URL"), help="default: AWS_ENDPOINT_URL")
    return parser


def _serve(options: argparse.Namespace) -> NoReturn:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    # Whoever starts this may have a profile or keys of a real account: neither we nor a job may see them.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    stopped = stop_signal()
    if options.die_with_parent:
        _die_with_parent()
    if options.images:
        images.load(options.images)
    seed = load_seed(options.seed) if options.seed else {}
    server = LocalServer(Settings(options.folder, options.port, seed, region=options.region))
    thread = threading.Thread(target=server.serve, name="http", daemon=True)
    thread.start()
    if options.ready_file:
        _write_atomically(options.ready_file, server.url)
    print(server.url, flush=True)
    wait_for(stopped)
    _exit_soon(_STOP_SECONDS)
    server.stop()
    sys.stdout.flush()
    # A server thread may sit in a 20 second SQS poll, and the interpreter would wait for it.
    os._exit(0)


def stop_signal() -> SimpleQueue[int]:
    """Takes the number of each SIGTERM and SIGINT from now on.

    Not a threading.Event: its `set` takes the lock that an interrupted `wait` may hold, and the process would hang.
    SimpleQueue.put is documented as reentrant.
    """
    stop: SimpleQueue[int] = SimpleQueue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stop.put(number))
    return stop


def wait_for(stop: SimpleQueue[int]) -> int:
    """The number of the signal that came.

    Python hears of a signal between two instructions: one that comes as the wait begins, or to another thread, does not end it.
    """
    while True:
        try:
            return stop.get(timeout=1.0)
        except Empty:
            continue


def _exit_soon(seconds: float) -> None:
    """Bound the graceful stop: whoever started this may be gone and cannot send SIGKILL."""
    watchdog = threading.Timer(seconds, os._exit, (1,))
    watchdog.daemon = True
    watchdog.start()


def _die_with_parent() -> None:
    """Let the kernel send SIGTERM when the parent ends; where there is no such call, nothing happens."""
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        raise ValueError("--die-with-parent: the parent has ended already")


def _write_atomically(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text + "\n", encoding="utf-8")
    partial.replace(path)


def _look(options: argparse.Namespace) -> int:
    if not options.url:
        raise ValueError("--url: give the URL of the local AWS, or set AWS_ENDPOINT_URL")
    client = AdminClient(options.url)
    wanted = {name: value for name in _FILTERS if (value := getattr(options, name, None)) is not None}
    if options.command == "dashboard":
        target = options.out or Path(f"{options.name}.png")
        target.write_bytes(client.picture(options.name))
        print(target)
        return 0
    if options.command == "health":
        _print(client.admin("GET", "health"), True, [])
        return 0
    if options.command == "summary":
        summary = client.summary(**wanted)
        _print(summary, options.json, _summary_lines(summary))
        return 0
    entries = client.ledger(**wanted)
    _print(entries, options.json, [_entry_line(entry) for entry in entries])
    return 0


def _print(document: Any, as_json: bool, lines: list[str]) -> None:
    print(json.dumps(document, indent=2) if as_json else "\n".join(lines))


def _summary_lines(summary: dict[str, Any]) -> list[str]:
    lines = [f"{'operation':<44}{'calls':>8}{'accepted':>10}{'refused':>9}{'created':>9}"]
    for name, counts in [*summary["operations"].items(), ("all", summary)]:
        numbers = [counts.get(key, 0) for key in ("calls", "accepted", "refused", "created")]
        lines.append(f"{name:<44}{numbers[0]:>8}{numbers[1]:>10}{numbers[2]:>9}{numbers[3]:>9}")
    return lines


def _entry_line(entry: dict[str, Any]) -> str:
    outcome = "accepted" if entry["accepted"] else f"refused {entry['error']}"
    if not entry["answered"]:
        outcome += " (answer lost)"
    who = entry["caller"].rpartition(":")[2]
    call = f"{entry['service']}:{entry['operation']} {entry['resource']}"
    return f"{entry['sequence']:>6} {entry['awsTime']} {who} {call} {outcome}"
