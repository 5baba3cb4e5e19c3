"""The entry point of a check: reads one window, measures what config.json asks, writes report.json (docs/decisions/0011).

A SageMaker Processing job that the operator starts; it runs by hand as well, on a folder laid out as /opt/ml/processing is:

    python jobs/monitoring/check.py --root folder

A violation is a result: exit code 0. What cannot be done - a wrong configuration, a script of the user's that fails - is exit code 1
with one line on stderr and in /opt/ml/output/message, which SageMaker shows as the job's ExitMessage.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import bias
import custom
import data_quality
import explainability
import model_quality
from capture import read_batch, read_capture
from check_config import Bias, Check, Config, DataQuality, Explainability, ModelQuality, parse
from describe import constraints_of, statistics_of
from records import Record, Tally
from report import Findings, Violation, report, violations_document, write
from scripts import Folders, ScriptFailed, prepared
from truth import Availability, availability, merge, read_truth
from window import Baseline, Window, read_baseline

_HERE = Path(__file__).absolute()
# Below the job's folder in a job (input/monitoring/check.py), so that a laptop without /opt/ml can run it too.
PROCESSING = _HERE.parents[2] if _HERE.parts[-3:-1] == ("input", "monitoring") else Path("/opt/ml/processing")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Run the checks of one window.", allow_abbrev=False)
    parser.add_argument("--root", type=Path, default=PROCESSING, help="folder with input/ and output/")
    root: Path = parser.parse_args(argv).root
    try:
        with tempfile.TemporaryDirectory() as work:
            found = run(Folders(root, Path(work)))
    except (ValueError, ScriptFailed, OSError) as error:
        print(f"check: {error}", file=sys.stderr)
        with contextlib.suppress(OSError):
            message = root.parent / "output" / "message"
            message.parent.mkdir(parents=True, exist_ok=True)
            message.write_text(f"{error}"[:1024], "utf-8")
        return 1
    summary(found)
    return 0


def run(folders: Folders) -> dict[str, Any]:
    """report.json, after it and the files beside it were written. ValueError or ScriptFailed for what cannot be done."""
    config = read_config(folders.input("config") / "config.json")
    baseline = read_baseline(folders.input("baseline"))
    tally = Tally()
    records, data = read_window(config, folders, baseline, tally)
    missing = "" if data.state == "Available" else f"{data.state}: {data.message}"
    if config.ground_truth is None and config.prepare is None:
        missing = missing or "the policy has no groundTruth"
    found = Findings()
    shares = by_variant(records, config.variant)
    whole = Window(records, next(iter(shares)) if len(shares) == 1 else None, baseline, config.minimum, missing)
    for variant, share in shares.items():
        window = whole if len(shares) == 1 else Window(share, variant, baseline, config.minimum, missing)
        for check in config.checks:
            collect(found, measure(check, window, folders), variant if len(shares) > 1 else None)
    document = report(config.window, data, tally.document(), found)
    output = folders.root / "output"
    write(output / "statistics.json", {**statistics_of(whole.columns, whole.rows), **found.documents}, None)
    write(output / "constraints.json", baseline.constraints or constraints_of(whole.columns))
    write(output / "constraint_violations.json", violations_document(found.violations))
    write(output / "report.json", document)
    return document


def read_config(file: Path) -> Config:
    """ValueError for a file that is not there or cannot be used."""
    try:
        return parse(json.loads(file.read_bytes()))
    except OSError as error:
        raise ValueError(f"{file}: cannot be read: {error.strerror}") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"{file}: is no JSON: {error}") from None


def read_window(config: Config, folders: Folders, baseline: Baseline, tally: Tally) -> tuple[list[Record], Availability]:
    """The records of the window with their truth, as prepare left them."""
    truth = config.ground_truth
    if config.batch:
        id_field = truth.id_field if truth else None
        records = read_batch(folders.input("capture"), id_field, len(baseline.names), tally)
    else:
        records = read_capture(folders.input("capture"), config.start, config.end, config.variant, tally)
    truths = read_truth(folders.input("groundtruth"), truth.id_field, tally) if truth else {}
    merge(records, truths)
    if config.prepare is not None:
        records = prepared(config.prepare, folders)
    data = availability(
        records,
        len(truths),
        expected=truth is not None,
        min_matched=truth.min_matched if truth else 0,
        max_delay=truth.max_delay if truth else 0.0,
        now=config.now,
        end=config.end,
    )
    return records, data


def by_variant(records: list[Record], variant: str | None) -> dict[str | None, list[Record]]:
    """The records of each variant; of the one that is watched, also if there are none."""
    found: dict[str | None, list[Record]] = {}
    for record in records:
        found.setdefault(record.variant or variant, []).append(record)
    return {name: found[name] for name in sorted(found, key=str)} or {variant: []}


def measure(check: Check, window: Window, folders: Folders) -> Findings:
    """What one check makes of one variant."""
    if isinstance(check, DataQuality):
        return data_quality.measure(check, window)
    if isinstance(check, ModelQuality):
        return model_quality.measure(check, window)
    if isinstance(check, Bias):
        return bias.measure(check, window)
    if isinstance(check, Explainability):
        return explainability.measure(check, window, folders)
    return custom.measure(check, window, folders)


def collect(whole: Findings, part: Findings, variant: str | None) -> None:
    """Add what one check found; with several variants each has its own documents and its violations say whose they are."""
    whole.metrics += part.metrics
    if variant is None:
        whole.violations += part.violations
        whole.documents.update(part.documents)
        return
    whole.violations += [
        Violation(item.check, item.feature, item.constraint, f"{item.description} (variant {variant})") for item in part.violations
    ]
    whole.documents.setdefault("variants", {}).setdefault(variant, {}).update(part.documents)


def summary(document: dict[str, Any]) -> None:
    """A few lines for the log."""
    data = document["data"]
    print(f"data={data['state']} captured={data['captured']} matched={data['matched']} unreadable={data['unreadable']} {data['message']}")
    for metric in document["metrics"]:
        value = "-" if metric["value"] is None else f"{metric['value']:.6g}"
        print(f"{metric['check']}/{metric['name']}={value} samples={metric['sampleSize']} {metric['state']} {metric['message']}")
    print(f"violations={document['violationsTotal']}")


if __name__ == "__main__":
    sys.exit(main())
