"""`python -m tests.chaos --schedules 100 [--seed 0]`: prints one line a schedule and the numbers at the end."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from sagemaker_gitops.cli.sandbox import Sandbox
from tests.chaos.schedule import schedule_of
from tests.chaos.serving import ServingChaos
from tests.chaos.world import Chaos
from tests.system.stack import Stack


def main() -> int:
    """Exit code 1 when anything was violated; the seed replays it."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--schedules", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--step", type=int, default=1, help="4 with --seed 3: endpoints alone")
    options = parser.parse_args()
    failed: dict[int, list[str]] = {}
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder, Sandbox(Path(folder)) as sandbox:
        stack = Stack(sandbox)
        training, serving = Chaos(stack), ServingChaos(stack)
        for seed in range(options.seed, options.seed + options.schedules * options.step, options.step):
            schedule, began = schedule_of(seed), time.monotonic()
            violations = (serving if schedule.serving else training).carry_out(schedule)
            print(f"{'FAILED' if violations else 'held'} {time.monotonic() - began:5.1f} s  {schedule}", flush=True)
            if violations:
                failed[seed] = violations
                print("\n".join(f"    {violation}" for violation in violations), flush=True)
    seconds = (time.monotonic() - started) / options.schedules
    print(f"{options.schedules} schedules, {seconds:.1f} s each, {len(failed)} violated: {sorted(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
