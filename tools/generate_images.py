"""Generates operator/sagemaker_gitops/data/images.json from the installed `sagemaker` package: which image AWS publishes for what.

The package holds one JSON file per framework or algorithm; they are read, never imported, and reduced
to training images and those of Model Monitor.
Usage: python tools/generate_images.py [--check]
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

TARGET = Path(__file__).parent.parent / "operator" / "sagemaker_gitops" / "data" / "images.json"
FRAMEWORKS = ("mxnet", "pytorch", "sklearn", "tensorflow", "xgboost")
ALGORITHMS = (
    "blazingtext",
    "factorization-machines",
    "forecasting-deepar",
    "image-classification",
    "ipinsights",
    "kmeans",
    "knn",
    "lda",
    "linear-learner",
    "ntm",
    "object-detection",
    "object2vec",
    "pca",
    "randomcutforest",
    "semantic-segmentation",
    "seq2seq",
    "xgboost",
)
MONITORING = ("model-monitor", "clarify")


def main(arguments: list[str]) -> int:
    """Write the table, or with --check say whether the committed one is current."""
    text = json.dumps(table(), sort_keys=True, separators=(",", ":")) + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text)
        print(f"{TARGET}: {len(text)} bytes")
        return 0
    if TARGET.read_text() == text:
        return 0
    print(f"{TARGET} is not what the installed sagemaker package says: run `make generate`", file=sys.stderr)
    return 1


def table() -> dict[str, Any]:
    """{source, registries: [{region: account}], framework|algorithm: {name: {aliases, versions: {version: {...}}}}}."""
    registries: list[dict[str, str]] = []
    made: dict[str, Any] = {"framework": {}, "algorithm": {}}
    for kind, names in (("framework", FRAMEWORKS), ("algorithm", ALGORITHMS)):
        for name in names:
            made[kind][name] = _entry(_training(name), registries)
    made["monitoring"] = {name: _entry(_training(name), registries) for name in MONITORING}
    version = importlib.metadata.version("sagemaker-core")
    return {"source": f"sagemaker-core {version}, sagemaker/core/image_uri_config", "registries": registries, **made}


def _training(name: str) -> dict[str, Any]:
    folder = importlib.metadata.distribution("sagemaker-core").locate_file("sagemaker/core/image_uri_config")
    config: dict[str, Any] = json.loads((Path(str(folder)) / f"{name}.json").read_text())
    return config if "versions" in config else config.get("training") or config["processing"]


def _entry(config: dict[str, Any], registries: list[dict[str, str]]) -> dict[str, Any]:
    entry: dict[str, Any] = {"versions": {}}
    if config.get("version_aliases"):
        entry["aliases"] = config["version_aliases"]
    for version, found in config["versions"].items():
        if "repository" not in found:
            continue  # keyed by Python version: images of 2019 and older
        if found["registries"] not in registries:
            registries.append(found["registries"])
        entry["versions"][version] = {"registry": registries.index(found["registries"]), "repository": found["repository"]} | {
            short: found.get(long) or config.get(long)
            for short, long in (("processors", "processors"), ("python", "py_versions"), ("prefix", "tag_prefix"))
            if found.get(long) or config.get(long)
        }
    return entry


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
