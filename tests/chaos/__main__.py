"""`python -m tests.chaos --schedules 100 [--seed 0] [--policies]`: prints one line a schedule and the numbers at the end."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.chaos.schedule import Schedule, policy_schedule_of, schedule_of
from tests.chaos.serving import ServingChaos
from tests.chaos.watching import WatchingChaos
from tests.chaos.world import Chaos
from tests.system.policies import checking
from tests.system.stack import Stack


def main() -> int:
    """Exit code 1 when anything was violated; the seed replays it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--step", type=int, default=1, help="4 with --seed 3: endpoints alone")
    parser.add_argument("--policies", action="store_true", help="schedules of a MonitorPolicy, and of nothing else")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, checking(Path(folder)) as stack:
        failed = _carry_out(stack, options)
    seconds = (time.monotonic() - started) / options.schedules
    print(f"{options.schedules} schedules, {seconds:.1f} s each, {len(failed)} violated: {sorted(failed)}")
    return 1 if failed else 0


def _carry_out(stack: Stack, options: argparse.Namespace) -> dict[int, list[str]]:
    """Violations by seed."""
    failed: dict[int, list[str]] = {}
    made = policy_schedule_of if options.policies else schedule_of
    worlds: dict[type[Chaos], Chaos] = {}
    for seed in range(options.seed, options.seed + options.schedules * options.step, options.step):
        schedule, began = made(seed), time.monotonic()
        world = _world_of(schedule)
        if world not in worlds:
            worlds[world] = world(stack)
        violations = worlds[world].carry_out(schedule)
        print(f"{'FAILED' if violations else 'held'} {time.monotonic() - began:5.1f} s  {schedule}", flush=True)
        if violations:
            failed[seed] = violations
            print("\n".join(f"    {violation}" for violation in violations), flush=True)
    return failed


def _world_of(schedule: Schedule) -> type[Chaos]:
    return WatchingChaos if schedule.watching else ServingChaos if schedule.serving else Chaos


if __name__ == "__main__":
    sys.exit(main())
