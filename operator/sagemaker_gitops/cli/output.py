"""-o text|json|yaml for every command."""

from __future__ import annotations

import argparse
import json
from typing import Any

import yaml

FORMATS = ("text", "json", "yaml")


def add_output(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-o", "--output", choices=FORMATS, default="text", help="form of the result (default: text)")


def show(chosen: str, data: Any, text: str) -> None:
    """Print the result in the form that was asked for."""
    if chosen == "json":
        print(json.dumps(data, indent=2, default=str))
    elif chosen == "yaml":
        print(yaml.safe_dump(json.loads(json.dumps(data, default=str)), sort_keys=False, width=140), end="")
    elif text:
        print(text)
