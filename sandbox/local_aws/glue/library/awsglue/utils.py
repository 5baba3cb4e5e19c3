"""`getResolvedOptions`, written after its description in the Glue developer guide ("Accessing parameters").

Runs inside the job's process, so it imports nothing of this local AWS.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from typing import NoReturn


class GlueArgumentError(Exception):
    """A required option is missing or malformed."""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise GlueArgumentError(f"argument error: {message}")


def getResolvedOptions(args: Sequence[str], options: Iterable[str]) -> dict[str, str]:  # noqa: N802
    """The named options of a job's command line (`--name value` or `--name=value`) as a dictionary.

    Every name in `options` is required; options that are not named are passed over. Raises GlueArgumentError.
    """
    parser = _Parser(prog=args[0] if args else "job", add_help=False, allow_abbrev=False)
    for name in options:
        parser.add_argument(f"--{name}", dest=name, required=True)
    known, _ = parser.parse_known_args(list(args[1:]))
    return {name: str(value) for name, value in vars(known).items()}
