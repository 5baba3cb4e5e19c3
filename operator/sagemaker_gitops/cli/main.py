"""Arguments, exit codes (0 ok, 1 findings or failure, 2 usage) and nothing else. Results on stdout, progress on stderr.

Each command imports what it needs when it runs: `lint` must not wait for kopf.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from sagemaker_gitops.cli.errors import USAGE, CommandError

# Each is a module of this package (`_` for `-`) with add_arguments(parser) and run(options) -> exit code.
COMMANDS = {
    "run": "run the operator",
    "lint": "check manifests without a cluster and without AWS",
    "render": "print the exact AWS requests of TrainingRuns, ModelEndpoints and MonitorPolicies",
    "plan": "what would be called if the manifests were applied, compared with the cluster",
    "graph": "the steps of a TrainingRun, and from there to the endpoints that serve it, as text or Mermaid",
    "logs": "the log of a TrainingRun's step",
    "retry": "another attempt of what has stalled",
    "unpark": "bring back a ModelEndpoint that is parked",
    "check": "ask a MonitorPolicy for a check now",
    "compare": "runs side by side: parameters, metrics, inputs, model",
    "invoke": "ask a ModelEndpoint, or one variant of it",
    "promote": "pin a variant to a model version, in the YAML file",
    "package": "pack a folder of code for source.s3, and upload it",
    "sandbox": "a Kubernetes API server, a local AWS and the operator on this machine",
    "demo": "the whole story on a sandbox of its own",
    "demo-gitops": "the same with a real Argo CD, by nothing but commits",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; a user's mistake is a sentence, never a traceback."""
    parser = argparse.ArgumentParser(prog="sagemaker-gitops", description="Machine learning on AWS from git.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    wanted = _named(sys.argv[1:] if arguments is None else arguments)
    for name, text in COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        if name == wanted:
            module = importlib.import_module(f"sagemaker_gitops.cli.{name.replace('-', '_')}")
            module.add_arguments(command)
            command.set_defaults(work=module.run)
    options = parser.parse_args(arguments)
    try:
        code = int(options.work(options))
        sys.stdout.flush()
    except CommandError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.code
    except BrokenPipeError:
        # `... | head` has seen enough. What is still buffered must not be written at the interpreter's end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"error: {error.filename or 'I/O'}: {error.strerror or error}", file=sys.stderr)
        return USAGE
    except KeyboardInterrupt:
        return 130
    return code


def _named(arguments: Sequence[str]) -> str:
    return next((item for item in arguments if not item.startswith("-")), "")
