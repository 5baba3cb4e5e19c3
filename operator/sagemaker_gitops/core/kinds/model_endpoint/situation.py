"""One pass over a ModelEndpoint as the checks see it, and the status that every answer is built from.

What later passes read back is identity only: which config was asked for last, before which LastModifiedTime, and which served last.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_ROLLBACK_LIMIT, ModelEndpointSpec
from sagemaker_gitops.core.conditions import Condition, merge, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.effective import effective_of, models_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import Alias, LiveEndpoint, ModelEndpointFacts, Resolved
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, endpoint_name
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.resource import REVISION, Snapshot
from sagemaker_gitops.core.tenancy import Bound


@dataclass(frozen=True, slots=True)
class Pass:
    """What every check sees."""

    snapshot: Snapshot
    spec: ModelEndpointSpec
    facts: ModelEndpointFacts
    settings: Settings
    now: datetime

    def say(self, phase: str, conditions: Sequence[Condition], **fields: Any) -> dict[str, Any]:
        """The last status with a new phase, conditions and fields; what did not become known again stays."""
        status = {**self.snapshot.status, **self.place(), **fields, "phase": phase, "observedGeneration": self.snapshot.generation}
        previous = list(self.snapshot.status.get("conditions") or ())
        status["conditions"] = merge(previous, conditions, self.snapshot.generation, self.now)
        return {name: value for name, value in status.items() if value is not None}

    def place(self) -> dict[str, Any]:
        """Where the endpoint is; there is none without variants."""
        if not isinstance(self.facts.binding, Bound) or not self.spec.variants:
            return {}
        tenant, name = self.facts.binding.spec, endpoint_name(self.settings.install, self.snapshot.key, self.spec.endpoint_name)
        region, domain = tenant.region, "amazonaws.com.cn" if tenant.region.startswith("cn-") else "amazonaws.com"
        return {
            "endpointName": name,
            "arn": f"arn:{partition(region)}:sagemaker:{region}:{tenant.account}:endpoint/{name}",
            "url": f"https://runtime.sagemaker.{region}.{domain}/endpoints/{name}/{'async-' if self.spec.async_ else ''}invocations",
            "consoleUrl": f"https://{region}.console.aws.amazon.com/sagemaker/home?region={region}#/endpoints/{name}",
        }


def build_serving(here: Pass) -> Serving:
    """Only after the checks that guarantee its parts. Raises InvalidResource."""
    assert isinstance(here.facts.binding, Bound)
    models = {name: model for name, model in here.facts.models.items() if isinstance(model, Resolved)}
    assert len(models) == len(models_of(here.spec)), "the checks let no unresolved model pass"
    serving = Serving(
        install=here.settings.install,
        owner=here.snapshot.key,
        spec=here.spec,
        tenant=here.facts.binding,
        effective=effective_of(here.spec, here.facts.binding.spec),
        models=models,
        revision=here.snapshot.annotations.get(REVISION, ""),
    )
    return replace(serving, alias=here.facts.alias or _known_alias(here, serving))


def _known_alias(here: Pass, serving: Serving) -> Alias | None:
    """An adopted config that was found to be equal to what is wanted now."""
    adoption = here.snapshot.status.get("adoption")
    found = adoption.get("equal") if isinstance(adoption, Mapping) else None
    if not isinstance(found, Mapping) or found.get("to") != serving.own_config_name:
        return None
    models = {item["variant"]: item["awsName"] for item in found.get("models") or () if isinstance(item, Mapping) and len(item) == 2}
    config = adoption.get("config") if isinstance(adoption, Mapping) else None
    if not isinstance(config, str) or set(models) != {variant.name for variant in serving.spec.variants}:
        return None
    return Alias(config, models)


def equal_to(alias: Alias, own: str) -> dict[str, Any]:
    """status.adoption.equal."""
    return {"to": own, "models": [{"variant": name, "awsName": model} for name, model in sorted(alias.models.items())]}


def shown(serving: Serving, live: LiveEndpoint | None) -> dict[str, Any]:
    """The fields that follow from what is wanted and what AWS reports."""
    spec, total = serving.spec, sum(serving.weight(variant) for variant in serving.spec.variants)
    entries = []
    for variant in spec.variants:
        model, found = serving.models[variant.name], live.variants.get(variant.name) if live else None
        entry: dict[str, Any] = {
            "name": variant.name,
            "model": _cell([model.label]),
            "awsName": serving.model_name(variant),
            "packageArn": model.package_arn or None,
            "artifact": model.artifact,
            "approver": model.approver or None,
            "weight": f"{serving.weight(variant):g}",
        }
        if variant.autoscaling is None:
            entry["instances"] = serving.effective.instance_counts.get(variant.name)
        else:
            entry["scaling"] = f"{variant.autoscaling.min_capacity}-{variant.autoscaling.max_capacity}"
        if found is not None:
            entry |= {"liveWeight": f"{found.weight:g}", "imageDigest": found.image_digest or None}
            entry |= {} if found.serverless else {"liveInstances": found.instances}
        entries.append({name: value for name, value in entry.items() if value is not None})
    versions = {variant.name: serving.models[variant.name].version for variant in spec.variants}
    packages = [link.package for variant in spec.variants for _, link in variant.model.links]
    pinned = all(package is None or package.version is not None for package in packages)
    by_git = pinned and not any(variant.model.training_run_ref for variant in spec.variants)
    return {
        "wantedConfig": serving.config_name,
        "liveConfig": live.config if live else None,
        "wanted": _cell(sorted(set(versions.values()))),
        "split": _cell([f"{v.name}={versions[v.name]}:{100 * serving.weight(v) / total:.3g}%" for v in spec.variants], " "),
        "approval": "git" if by_git else "registry",
        "variants": entries,
        "effective": serving.effective.as_status(serving.owner),
    }


def served(serving: Serving) -> dict[str, Any]:
    """The entry of lastGood and of history for what the spec asks for now."""
    variants = []
    for variant in serving.spec.variants:
        model = serving.models[variant.name]
        told = {"packageArn": model.package_arn, "artifact": model.artifact, "weight": f"{serving.weight(variant):g}"}
        variants.append({"name": variant.name, "model": _cell([model.label])} | {name: text for name, text in told.items() if text})
    if serving.alias is not None:
        return before_us(serving.config_name) | {"variants": variants}
    models = sorted({serving.model_name(variant) for variant in serving.spec.variants})
    return {"config": serving.config_name, "models": models, "variants": variants}


def before_us(config: str) -> dict[str, Any]:
    """An entry of lastGood and of history for a config that somebody else made: it is kept for ever."""
    return {"config": config, "models": [], "adopted": True}


def remembered(status: Mapping[str, Any], serving: Serving) -> frozenset[str]:
    """Configs and models that status names as serving now or before: they need no search."""
    entries = [served(serving), status.get("lastGood"), *(status.get("history") or ())]
    items = [item for item in entries if isinstance(item, Mapping)]
    return frozenset(str(name) for item in items for name in (item.get("config"), *(item.get("models") or ())))


def history_after(here: Pass, serving: Serving) -> list[dict[str, Any]]:
    """What served before the config that serves now, newest first; not yet cut to the limit."""
    status, now = here.snapshot.status, served(serving)["config"]
    older = [dict(item) for item in status.get("history") or () if isinstance(item, Mapping) and item.get("config") not in (None, now)]
    last = status.get("lastGood")
    if isinstance(last, Mapping) and last.get("config") not in (None, now, *(item["config"] for item in older)):
        older.insert(0, {**last, "servedUntil": timestamp(here.now)})
    return older


def update_for(here: Pass, config: str) -> dict[str, Any]:
    """What status says about the last change, if that was the change to `config`."""
    return asked_for(here.snapshot.status, config)


def asked_for(status: Mapping[str, Any], config: str) -> dict[str, Any]:
    """status.update, if it is about `config`."""
    update = status.get("update")
    return dict(update) if isinstance(update, Mapping) and update.get("config") == config else {}


def may_arrive(here: Pass) -> float:
    """Seconds for which the last change that was asked for, and not seen to end, may still be carried out; 0 or less: no more."""
    update = here.snapshot.status.get("update")
    return left_of_quarantine(here, update.get("attemptedAt")) if isinstance(update, Mapping) and update.get("outcome") is None else 0.0


def overtaken_may_arrive(here: Pass) -> float:
    """The same of the change before it."""
    update = here.snapshot.status.get("update")
    return left_of_quarantine(here, update.get("overtaken")) if isinstance(update, Mapping) else 0.0


def left_of_quarantine(here: Pass, asked: Any) -> float:
    """Seconds for which what was asked for at that time may still be carried out."""
    attempted = moment(asked)
    return 0.0 if attempted is None else (attempted + timedelta(seconds=here.settings.create_quarantine) - here.now).total_seconds()


def history_limit(spec: ModelEndpointSpec) -> int:
    return DEFAULT_ROLLBACK_LIMIT if spec.rollback is None else spec.rollback.history_limit


def partition(region: str) -> str:
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _cell(parts: Sequence[str], between: str = ",") -> str:
    text = between.join(parts)
    return text if len(text) <= 128 else text[:127] + "…"
