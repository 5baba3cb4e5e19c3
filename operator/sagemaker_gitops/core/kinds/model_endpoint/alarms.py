"""The alarms that a rollout is watched by: the user's, which must exist and be quiet, and those that we make. Pure.

Ours watch one config alone (dimension EndpointConfigName): errors of the version that serves neither stop nor hold back the one that
mends them, and an alarm is never born in a state that another version left. So their names end with the config's key.
Sources: Amazon SageMaker Developer Guide, "Auto-Rollback Configuration and Monitoring"; Amazon CloudWatch API Reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.endpoint_status import ALARM_LIMIT
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.conditions import reconciling, stalled, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.effective import BAD_MINUTES, WATCHED_MINUTES, Watch
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm, LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, left_of_quarantine, shown
from sagemaker_gitops.core.plan import After, Plan

SERVICE = "cloudwatch"
ALARM = "ALARM"
MINUTE = 60
ACTIVE_DELAY, MISSING_DELAY = 60.0, 300.0
NAMESPACE = "AWS/SageMaker"


def default_alarms(serving: Serving) -> dict[str, dict[str, Any]]:
    """Name and settings of the alarms that the wanted config is to have; empty where the spec does not ask for any."""
    return {
        alarm_name(serving, variant.name, watch): _settings(serving, variant.name, watch)
        for variant in serving.spec.variants
        for watch in serving.effective.watches
    }


def alarm_name(serving: Serving, variant: str, watch: Watch) -> str:
    return f"{prefix(serving.endpoint_name)}{variant}-{watch.suffix}{_end(serving.config_name)}"


def _end(config: str) -> str:
    """What the names of the alarms of a config end with: its key."""
    return f"-{config.rpartition('-')[2]}"


def prefix(endpoint: str) -> str:
    """What the names of all our alarms on an endpoint begin with."""
    return f"{endpoint}-"


def recorded(status: Mapping[str, Any]) -> tuple[str, ...]:
    """The alarms that we have made, by status."""
    return tuple(name for name in status.get("alarms") or () if isinstance(name, str))


def rollback_alarms(serving: Serving) -> tuple[str, ...]:
    """What an update is watched by: the user's alarms, then ours."""
    return tuple(dict.fromkeys((*asked_for(serving), *default_alarms(serving))))


def asked_for(serving: Serving) -> tuple[str, ...]:
    """The user's alarms."""
    rollout = serving.spec.rollout
    return tuple(rollout.alarms or ()) if rollout is not None else ()


def hindrance(here: Pass, serving: Serving, live: LiveEndpoint) -> Plan | None:
    """Why an update would fail or be rolled back at once: AWS wants the alarms to exist, and one in ALARM ends what begins."""
    found = here.facts.alarms
    if found is None:
        return None
    places = {name: f"spec.rollout.alarms[{index}]" for index, name in enumerate(asked_for(serving))}
    missing = [f'{place}: there is no alarm "{name}" in this account and region' for name, place in places.items() if name not in found]
    if missing:
        message = f"{'; '.join(missing)}: create it, or take it out; {live.config} serves"
        return Plan(here.say("InService", stalled("AlarmMissing", message), **shown(serving, live)), After(MISSING_DELAY))
    active = gone_off(here, serving)
    if active:
        said = ", ".join(f"{places[name]}: {name}" if name in places else name for name in active)
        message = f"{said} is in ALARM, so AWS would roll back at once: waiting until it is not; {live.config} serves"
        return Plan(here.say("InService", reconciling("AlarmActive", message), **shown(serving, live)), After(ACTIVE_DELAY))
    return None


def missing_or_changed(here: Pass, serving: Serving, live: LiveEndpoint | None) -> tuple[Action, ...]:
    """What makes the alarms of the wanted config what they are to be. Nothing can be rolled back to while there is no endpoint."""
    if live is None:
        return ()
    found = here.facts.alarms or {}
    return tuple(
        _put(serving, name, settings)
        for name, settings in default_alarms(serving).items()
        if name not in found or not same(found[name], settings)
    )


def unwanted(here: Pass, serving: Serving) -> tuple[Action, ...]:
    """Deletes of alarms of ours that the config in service does not need."""
    ours = _ours(here, serving)
    return tuple(map(delete_alarm, sorted(ours - default_alarms(serving).keys())))


def of_given_up(here: Pass, serving: Serving, live: LiveEndpoint | None) -> tuple[Action, ...]:
    """Deletes of alarms that watched neither the config that serves nor the wanted one: rollouts that failed must not pile them up."""
    kept = () if live is None else _kept(here, serving, live)
    return tuple(map(delete_alarm, sorted(_ours(here, serving) - {*default_alarms(serving), *kept})))


def status_fields(here: Pass, serving: Serving, live: LiveEndpoint) -> dict[str, Any]:
    """The names by which later passes find them; those of the config that is being replaced are still there meanwhile, and others may
    come to be although nobody wants them any more.
    """
    if here.facts.alarms is None:
        return {}
    status, asked = here.snapshot.status, bool(missing_or_changed(here, serving, live))
    replaced = _kept(here, serving, live) if live.config != serving.config_name else ()
    names = dict.fromkeys((*sorted(default_alarms(serving)), *replaced, *_late(here, serving)))
    asked_at = timestamp(here.now) if asked else status.get("alarmsAskedAt")
    return {"alarms": sorted([*names][:ALARM_LIMIT]) or None, "alarmsAskedAt": asked_at if names else None}


def next_look(here: Pass, serving: Serving) -> float | None:
    """Seconds until an alarm that is not wanted any more can come no more; None: there is none."""
    return late_for(here) if _late(here, serving) else None


def late_for(here: Pass) -> float:
    """Seconds for which an alarm that was asked for may still come; 0 or less: no more."""
    return left_of_quarantine(here, here.snapshot.status.get("alarmsAskedAt"))


def _late(here: Pass, serving: Serving) -> tuple[str, ...]:
    unwanted = [name for name in recorded(here.snapshot.status) if name not in default_alarms(serving)]
    return tuple(unwanted) if late_for(here) > 0 else ()


def gone_off(here: Pass, serving: Serving) -> tuple[str, ...]:
    """The alarms of the last rollout that are in ALARM now."""
    found = here.facts.alarms or {}
    return tuple(name for name in rollback_alarms(serving) if name in found and found[name].state == ALARM)


def requests(serving: Serving) -> tuple[AwsRequest, ...]:
    """Everything that the spec may ask for, for validation."""
    return tuple(_put(serving, name, settings) for name, settings in default_alarms(serving).items())


def delete_alarm(name: str) -> AwsRequest:
    return AwsRequest(SERVICE, "DeleteAlarms", name, {"AlarmNames": [name]})


def same(found: LiveAlarm, settings: Mapping[str, Any]) -> bool:
    """Whether an alarm has our settings; the order of dimensions means nothing, and what we do not set is not ours."""
    return _comparable(found.settings) == _comparable(settings)


def _comparable(settings: Mapping[str, Any]) -> dict[str, Any]:
    made = {name: float(value) if isinstance(value, int) and not isinstance(value, bool) else value for name, value in settings.items()}
    return made | {"Dimensions": sorted((item["Name"], item["Value"]) for item in settings.get("Dimensions", ()))}


def _kept(here: Pass, serving: Serving, live: LiveEndpoint) -> tuple[str, ...]:
    return tuple(name for name in _ours(here, serving) if name.endswith(_end(live.config)))


def _ours(here: Pass, serving: Serving) -> set[str]:
    """Every alarm that was seen and that the user did not name: aws/kinds/alarms.py has proven them by tag."""
    return set(here.facts.alarms or ()) - set(asked_for(serving))


def _settings(serving: Serving, variant: str, watch: Watch) -> dict[str, Any]:
    dimensions = {"EndpointName": serving.endpoint_name, "VariantName": variant, "EndpointConfigName": serving.config_name}
    owner = f"{serving.owner.namespace}/{serving.owner.name}"
    return {
        "AlarmDescription": f"ModelEndpoint {owner}, variant {variant}: {watch.words}. Brings the previous version back during a rollout.",
        "Namespace": NAMESPACE,
        "MetricName": watch.metric,
        "Dimensions": [{"Name": name, "Value": value} for name, value in dimensions.items()],
        "Statistic": "Average",
        "Period": MINUTE,
        "EvaluationPeriods": WATCHED_MINUTES,
        "DatapointsToAlarm": BAD_MINUTES,
        "Threshold": watch.threshold,
        "ComparisonOperator": "GreaterThanThreshold",
        "TreatMissingData": "notBreaching",
    }


def _put(serving: Serving, name: str, settings: Mapping[str, Any]) -> AwsRequest:
    return AwsRequest(SERVICE, "PutMetricAlarm", name, {"AlarmName": name, **settings, "Tags": serving.tags("alarm", name)}, announced=True)
