"""How fast time passes in a sandbox: its local AWS and its operator live in one time, and whoever tells a story in it waits by that."""

from __future__ import annotations

import argparse
import json
import math
import time
import urllib.request
from datetime import datetime

from sagemaker_gitops.runtime.clock import FastClock

SLOWEST, FASTEST = 1.0, 4.0  # what a process does takes the time it takes: in a window that is shorter still, it would not be done
SETTING = "SAGEMAKER_GITOPS_LOCAL_CLOCK"


def speed(text: str) -> float:
    """The argument of --speed. Raises argparse.ArgumentTypeError."""
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not SLOWEST <= found <= FASTEST:
        raise argparse.ArgumentTypeError(f"{text!r} is no speed: give a number from {SLOWEST:g} (real time) to {FASTEST:g}, such as 2")
    return found


def set_speed(url: str, speed: float) -> FastClock:
    """The local AWS at `url` from now on is that much faster than the wall; its clock."""
    request = urllib.request.Request(f"{url}/_local/clock", json.dumps({"speed": speed}).encode(), method="PUT")
    with urllib.request.urlopen(request, timeout=30) as response:
        return FastClock(speed, datetime.fromisoformat(json.load(response)["now"]))


def setting(clock: FastClock) -> str:
    """The operator's SETTING."""
    return f"{clock.speed:g}@{clock.since.isoformat()}"


def wait_until(clock: FastClock, moment: datetime) -> None:
    """Until that clock shows `moment`."""
    time.sleep(max(0.0, (moment - clock.now()).total_seconds() / clock.speed))
