"""Which image AWS publishes for a framework or algorithm: a lookup in a generated table, without the SageMaker SDK.

The table (data/images.json) comes from the `sagemaker` package by `make generate`; the rules that turn an entry into a URI are
held to that package's own answers by tests.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

ImageKind = Literal["framework", "algorithm"]
MONITOR, CLARIFY = "model-monitor", "clarify"

_CHINA = "cn-"
_ISOLATED = {"us-iso-": "c2s.ic.gov", "us-isob-": "sc2s.sgov.gov", "us-isof-": "csp.hci.ic.gov"}


@cache
def images_table() -> Mapping[str, Any]:
    """The generated table, a constant of the package."""
    table: Mapping[str, Any] = json.loads((files("sagemaker_gitops") / "data" / "images.json").read_text())
    return table


def image_uri(
    table: Mapping[str, Any],
    kind: ImageKind,
    name: str,
    version: str | None,
    region: str,
    instance_type: str,
    py_version: str | None = None,
) -> str:
    """The training image's URI. ValueError in words for the user: what is unknown, and what is known instead."""
    entry = table[kind].get(name)
    if entry is None:
        raise ValueError(f"{kind} {name} is not known: use one of {', '.join(sorted(table[kind]))}, or image")
    resolved = _version(kind, name, entry, version)
    found = entry["versions"][resolved]
    account = table["registries"][found["registry"]].get(region)
    if account is None:
        raise ValueError(f"{name} {resolved} has no image in {region}: use image")
    prefix = found.get("prefix") or version or resolved
    parts = (prefix, _processor(name, found.get("processors"), instance_type), _python(name, resolved, found.get("python"), py_version))
    return f"{account}.dkr.ecr.{region}.{_domain(region)}/{found['repository']}:{'-'.join(part for part in parts if part)}"


def monitor_image_uri(table: Mapping[str, Any], region: str, name: str = MONITOR) -> str:
    """The image of SageMaker Model Monitor, which has neither version nor tag, or of Clarify. ValueError where there is none."""
    ((version, found),) = table["monitoring"][name]["versions"].items()
    account = table["registries"][found["registry"]].get(region)
    if account is None:
        raise ValueError(f"SageMaker Model Monitor has no {name} image in {region}: leave engine out")
    return f"{account}.dkr.ecr.{region}.{_domain(region)}/{found['repository']}{':' if version else ''}{version}"


def _version(kind: ImageKind, name: str, entry: Mapping[str, Any], version: str | None) -> str:
    versions, aliases = entry["versions"], entry.get("aliases", {})
    if version is None:
        if len(versions) > 1 and kind == "framework":
            raise ValueError(f"{name} needs a version: {', '.join(versions)}")
        return str(aliases.get("latest") or next(iter(versions)))
    resolved = str(aliases.get(version, version))
    if resolved not in versions:
        raise ValueError(f"{name} has no version {version}: use one of {', '.join([*versions, *aliases])}")
    return resolved


def _processor(name: str, processors: list[str] | None, instance_type: str) -> str:
    """gpu for the g and p families, cpu for the rest; none where the image is the same for both."""
    if not processors:
        return ""
    family = instance_type.removeprefix("ml.").partition(".")[0]
    wanted = family if family in processors else "gpu" if family[:1] in ("g", "p") else "cpu"
    if wanted not in processors:
        raise ValueError(f"{name} has no image for {instance_type}: it runs on {', '.join(processors)}")
    return wanted


def _python(name: str, version: str, known: list[str] | None, wanted: str | None) -> str:
    """The only Python of the version, or the newest when there are several and none is asked for."""
    if not known:
        return ""
    if wanted is None:
        return max(known, key=lambda item: int(item.removeprefix("py") or 0))
    if wanted not in known:
        raise ValueError(f"{name} {version} has no {wanted}: use one of {', '.join(known)}")
    return wanted


def _domain(region: str) -> str:
    if region.startswith(_CHINA):
        return "amazonaws.com.cn"
    return next((domain for prefix, domain in _ISOLATED.items() if region.startswith(prefix)), "amazonaws.com")
