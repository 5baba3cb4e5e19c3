"""`promote`: the version pin of one variant, written into the YAML file that git holds. Shows the diff; the commit is the user's.

The pin is the approval (api.md, ModelEndpoint): what this command writes is what a reviewer reads.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import difflib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from sagemaker_gitops.aws.kinds.bindings import binding_of
from sagemaker_gitops.aws.kinds.training_run import scope_of
from sagemaker_gitops.cli.cluster import FilesOverCluster, connect
from sagemaker_gitops.cli.errors import USAGE, CommandError
from sagemaker_gitops.cli.kubectl_yaml import NotYaml, documents
from sagemaker_gitops.cli.operator_view import clients
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.cli.progress import say
from sagemaker_gitops.cli.yaml_edit import NotEditable, at, entry, mappings, replaced, scalar, within
from sagemaker_gitops.core.errors import AwsFailure
from sagemaker_gitops.core.resource import GROUP, Key
from sagemaker_gitops.core.tenancy import Bound

KIND = "ModelEndpoint"


@dataclass(frozen=True, slots=True)
class Pin:
    """Where a variant's version is written: `start` to `end` of the text, and what stands there."""

    variant: str
    group: str
    now: str
    start: int
    end: int
    converts: bool


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", help="the ModelEndpoint")
    parser.add_argument("--file", required=True, help="the YAML file that holds it; edited in place, never committed")
    parser.add_argument("--variant", default="", help="which variant (needed when there is more than one)")
    parser.add_argument("--version", type=int, help="the version to pin (default: the newest approved one of the group)")
    parser.add_argument("--convert", action="store_true", help="turn approved: Latest into a pin")
    parser.add_argument("--dry-run", action="store_true", help="show the diff and write nothing")
    parser.add_argument("-n", "--namespace", default="", help="of the ModelEndpoint (default: the one in the file, or the context's)")
    parser.add_argument("--context", default="", help="context of the kubeconfig (default: the current one)")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    if options.version is not None and options.version < 1:
        raise CommandError("--version must be 1 or more", USAGE)
    path, text = Path(options.file), _text(Path(options.file))
    try:
        pin, namespace = find(text, options.name, options.namespace, options.variant, options.convert)
        version = options.version or _newest_approved(options, namespace, pin.group)
        made = edited(text, pin, version)
    except NotYaml as error:
        raise CommandError(f"{path}:{error.line}: {error}", USAGE) from error
    except yaml.MarkedYAMLError as error:
        raise CommandError(f"{path}: {error.problem}", USAGE) from error
    except NotEditable as error:
        raise CommandError(f"{path}: {options.name}: {error}") from error
    diff = "".join(_lines(text, made, str(path)))
    told = {"file": str(path), "object": options.name, "variant": pin.variant, "group": pin.group, "from": pin.now, "to": version}
    show(options.output, told | {"changed": made != text, "diff": diff}, diff.rstrip("\n"))
    if made == text:
        say(f"variant {pin.variant} is pinned to {pin.group}/{version} already: nothing to write")
    elif options.dry_run:
        say("nothing written (--dry-run)")
    else:
        _write(path, made)
        say(f"{path}: variant {pin.variant} serves {pin.group}/{version} once this is committed and synced")
    return 0


def find(text: str, name: str, namespace: str, variant: str, convert: bool) -> tuple[Pin, str]:
    """The place of the pin, and the namespace in the file. NotEditable with what to do; CommandError when nothing fits."""
    for _ in documents(text):
        pass  # as kubectl reads it: what it would refuse is not edited
    found = [node for node in mappings(text) if scalar(node, "kind") == KIND and scalar(node, "metadata", "name") == name]
    found = [node for node in found if str(scalar(node, "apiVersion")).startswith(f"{GROUP}/")]
    if namespace:
        found = [node for node in found if scalar(node, "metadata", "namespace") in (None, namespace)]
    if len(found) != 1:
        raise CommandError(f"the file holds {len(found) or 'no'} ModelEndpoint {name}" + ("; -n says which one" if found else ""), USAGE)
    (document,) = found
    chosen = _variant(document, name, variant)
    return _pin(document, chosen, convert), scalar(document, "metadata", "namespace") or ""


def _variant(document: yaml.MappingNode, name: str, wanted: str) -> yaml.Node:
    variants = at(document, "spec", "variants")
    named: dict[str | None, yaml.Node] = {
        scalar(item, "name"): item for item in (variants.value if isinstance(variants, yaml.SequenceNode) else ())
    }
    known = ", ".join(str(item) for item in named)
    if not wanted and len(named) == 1:
        return next(iter(named.values()))
    if wanted not in named:
        raise CommandError(f"{name} has the variants {known or '(none)'}: name one of them with --variant", USAGE)
    return named[wanted]


def _pin(document: yaml.MappingNode, variant: yaml.Node, convert: bool) -> Pin:
    name, package = scalar(variant, "name") or "", at(variant, "model", "package")
    group = scalar(package, "group")
    version, approved = entry(package, "version"), entry(package, "approved")
    if package is None or group is None:
        used = "trainingRunRef" if at(variant, "model", "trainingRunRef") else "image" if at(variant, "model", "image") else "no package"
        raise NotEditable(
            f"variant {name} uses {used}, not a package: write model: {{package: {{group: ..., version: ...}}}} by hand first"
        )
    place = version or approved
    if place is None:
        raise NotEditable(f"variant {name} has no version of its own: write package: {{group: {group}, version: 1}} first")
    for node in (variant, package, place.key, place.value):
        within(document if node is variant else variant, node)
    if version is not None:
        return Pin(name, group, version.value.value, version.value.start_mark.index, version.value.end_mark.index, False)
    if not convert:
        raise NotEditable(f"variant {name} follows approved: Latest, approvals decide there: give --convert to pin it from now on")
    return Pin(name, group, f"approved: {place.value.value}", place.key.start_mark.index, place.value.end_mark.index, True)


def edited(text: str, pin: Pin, version: int) -> str:
    """The text with the pin; everything else as it was, which is proven by reading both."""
    new = f"version: {version}" if pin.converts else str(version)

    def same(made: str) -> bool:
        try:
            before, after = list(documents(text)), list(documents(made))
        except NotYaml:
            return False
        return _only_pinned([body for _, body in before], [body for _, body in after], pin, version)

    return replaced(text, pin.start, pin.end, new, same)


def _only_pinned(before: list[Any], after: list[Any], pin: Pin, version: int) -> bool:
    """Whether `after` is `before` with exactly one package of the group pinned to the version, or nothing changed at all."""
    if before == after:
        return pin.now == str(version)
    candidates = [place for place in _packages(before) if place.get("group") == pin.group]
    for place in candidates:
        kept = copy.copy(place)
        place.clear()
        place |= {name: value for name, value in kept.items() if name not in ("approved", "version")} | {"version": version}
        if before == after:
            return True
        place.clear()
        place |= kept
    return False


def _packages(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for item in value for found in _packages(item)]
    if not isinstance(value, dict):
        return []
    own = [value["package"]] if isinstance(value.get("package"), dict) else []
    return own + [found for item in value.values() for found in _packages(item)]


def _newest_approved(options: argparse.Namespace, namespace: str, group: str) -> int:
    try:
        return asyncio.run(_look_up(options, namespace, group))
    except AwsFailure as error:
        raise CommandError(f"AWS: {error} (--version works without AWS)") from error


async def _look_up(options: argparse.Namespace, namespace: str, group: str) -> int:
    aws, _ = clients("promote")
    cluster = connect(options.context)
    key = Key(KIND, options.namespace or namespace or cluster.namespace, options.name)
    try:
        references = FilesOverCluster(cluster)
        await references.read()
        binding = binding_of(references, key.namespace)
        if not isinstance(binding, Bound):
            raise CommandError(f"no single Tenant names namespace {key.namespace}, so the account is not known: give --version")
        page = {"ModelPackageGroupName": group, "ModelApprovalStatus": "Approved", "SortBy": "CreationTime", "SortOrder": "Descending"}
        listed = await aws.call(scope_of(binding.spec, key), "sagemaker", "ListModelPackages", page | {"MaxResults": 1})
    finally:
        await cluster.session.close()
        aws.close()
    found = listed.get("ModelPackageSummaryList") or []
    if not found:
        raise CommandError(f"no version of {group} is approved: approve one in the registry, or give --version")
    return int(found[0]["ModelPackageVersion"])


def _text(path: Path) -> str:
    """The file with its own line ends."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise CommandError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}", USAGE) from error


def _write(path: Path, text: str) -> None:
    """Beside the file and then in its place, with its mode: never half of it. A link stays one."""
    target = path.resolve()
    descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode())
        os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
        os.replace(temporary, target)
    except BaseException:
        os.unlink(temporary)
        raise


def _lines(before: str, after: str, path: str) -> list[str]:
    old, new = ([f"{line}\n" for line in text.splitlines()] for text in (before, after))
    return list(difflib.unified_diff(old, new, f"a/{path.lstrip('/')}", f"b/{path.lstrip('/')}", n=2))
