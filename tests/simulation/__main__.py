"""Replay one simulated run with a trace, or measure a range of seeds: python -m tests.simulation --seed N | --from N --count M."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from contextlib import nullcontext

from tests.simulation.gate import Fault
from tests.simulation.runner import POLICY_TURNS, TURNS, of_seed, prepared, run, run_seeds
from tests.simulation.scenario import Scenario
from tests.simulation.scenarios import SCENARIOS
from tests.simulation.schedule import Schedule


def main() -> int:
    """Exit status 1 if an oracle was violated."""
    options = _options()
    turns = POLICY_TURNS if options.policies else TURNS
    if options.count:
        return _measure(range(options.first, options.first + options.count), turns)
    if options.scenario:
        faults = {options.at: Fault(options.fault)} if options.fault else {}
        return _replay(SCENARIOS[options.scenario], Schedule(faults=faults), options.log)
    return _replay(*of_seed(options.seed, turns), options.log)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="replay the random schedule of this seed")
    parser.add_argument("--scenario", choices=sorted(SCENARIOS), help="replay a scenario with one fault, or none")
    parser.add_argument("--fault", choices=[str(fault) for fault in Fault])
    parser.add_argument("--at", type=int, default=0, help="number of the call that the fault meets")
    parser.add_argument("--from", dest="first", type=int, default=0)
    parser.add_argument("--count", type=int, default=0, help="run this many seeds and report the rate")
    parser.add_argument("--policies", action="store_true", help="seeds of MonitorPolicies, which have turns of their own")
    parser.add_argument("--log", action="store_true", help="show the operator's own log and tracebacks as well")
    return parser.parse_args()


def _replay(scenario: Scenario, schedule: Schedule, log: bool) -> int:
    trace: list[str] = []
    with nullcontext() if log else prepared():
        violations = run(scenario, schedule, trace)
    print("\n".join([scenario.name, repr(schedule), *trace, *violations]))
    print("violated" if violations else "every oracle holds")
    return int(bool(violations))


def _measure(seeds: range, turns: Sequence[str]) -> int:
    failed = 0
    with prepared():
        run_seeds(seeds[: len(turns)], turns)  # the references
        began = time.perf_counter()
        for seed in seeds:
            for line in run_seeds(range(seed, seed + 1), turns):
                failed += 1
                print(line, flush=True)
        took = time.perf_counter() - began
    print(f"{len(seeds)} schedules, {failed} violated, {len(seeds) / took:.1f} schedules/s on one core")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
