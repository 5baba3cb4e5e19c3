"""From a breach to one retrain and no more: episodes, and what may hold a retrain back. Pure.

An episode begins when an alarm goes off and ends with the first good check of a newer model. Each retrain of it is named
<episode>.<number>; AWS remembers them as tags of the training jobs, so that a lost status neither asks twice nor forgets a limit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.fields import duration
from sagemaker_gitops.api.monitor_policy import (
    DEFAULT_COOLDOWN,
    DEFAULT_MAX_PER_DAY,
    DEFAULT_MAX_WITHOUT_IMPROVEMENT,
    MonitorPolicySpec,
    Retraining,
)
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.conditions import bounded, timestamp
from sagemaker_gitops.core.kinds.monitor_policy.alarms import ALARM, OK, number_of, recorded_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import RetrainSight, RunView, Watched
from sagemaker_gitops.core.kinds.monitor_policy.publish import put_retrain_mark
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass, kept
from sagemaker_gitops.core.kinds.training_run.retrain import recorded
from sagemaker_gitops.core.kinds.training_run.situation import TERMINAL_PHASES
from sagemaker_gitops.core.kinds.training_run.status import moment

DAY = timedelta(days=1)
OPEN, WAITING, REQUESTED, STALLED = "Open", "Waiting", "Requested", "Stalled"
REJECTED = "Rejected"
UNHEEDED_DELAY = 30.0

Fields = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of an open episode in this pass; `wait` is when time alone may change it, in seconds."""

    fields: Fields
    actions: tuple[Action, ...] = ()
    wait: float | None = None


def followed(here: Pass, entry: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> Fields:
    """status.episode and lastEpisode after an ended check."""
    episode = episode_of(here.snapshot.status)
    if episode is not None and _over(here, episode, entry, alarms):
        withdrawn = {"retrain": None} if unheeded(here) else {}
        return {"episode": None, "lastEpisode": episode["id"], **withdrawn}
    gone_off = next((item for item in alarms if item.get("state") == ALARM), None)
    if episode is not None or gone_off is None or here.spec.on_breach is None:
        return {}
    identity = [here.settings.install, str(here.snapshot.key), gone_off["name"], entry.get("modelKey"), entry.get("moment")]
    opened = {
        "id": naming.content_key(identity),
        "alarm": gone_off["name"],
        "openedAt": timestamp(here.now),
        "model": entry.get("model"),
        "modelKey": entry.get("modelKey"),
        "state": OPEN,
    }
    return {"episode": kept(opened)}


def episode_of(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The open episode, read defensively."""
    found = status.get("episode")
    return found if isinstance(found, Mapping) and isinstance(found.get("id"), str) and isinstance(found.get("alarm"), str) else None


def _over(here: Pass, episode: Mapping[str, Any], entry: Mapping[str, Any], alarms: Sequence[Mapping[str, Any]]) -> bool:
    """A good check of a newer model; before anything was asked for, the alarm itself."""
    alarm = next((item for item in here.spec.alarms if item.name == episode["alarm"]), None)
    judged = next((item for item in alarms if item["name"] == episode["alarm"]), None)
    if alarm is None or judged is None or here.spec.on_breach is None:
        return True
    measured = number_of(alarm, here.spec.checks_, entry.get("metrics") or ())[1] is not None
    good = measured and judged.get("bad", 0) == 0 and judged.get("state") != ALARM
    if entry.get("modelKey") != episode.get("modelKey"):
        return good
    return judged.get("state") == OK and not requests_of(episode)


def requests_of(episode: Mapping[str, Any]) -> list[datetime]:
    return [found for found in map(moment, episode.get("requests") or ()) if found is not None]


def pursued(here: Pass) -> Mapping[str, Any] | None:
    """The open episode whose alarm is on now: only then a retrain is thought of."""
    episode = episode_of(here.snapshot.status)
    if episode is None or here.spec.on_breach is None or not isinstance(here.facts.target, Watched):
        return None
    state = recorded_of(here.snapshot.status, str(episode["alarm"]))
    current = state.get("modelKey") == here.facts.target.key
    return episode if state.get("state") == ALARM and current else None


def unheeded(here: Pass) -> bool:
    """Whether the TrainingRun is still to take up what was asked for in the open episode, and has taken up nothing later."""
    entry, run, episode = here.snapshot.status.get("retrain"), here.facts.run, episode_of(here.snapshot.status)
    asked = recorded(entry) if isinstance(entry, Mapping) and run is not None and entry.get("trainingRun") == run.name else None
    if run is None or episode is None or asked is None or not asked.episode.startswith(f"{episode['id']}."):
        return False
    return run.heeded is None or run.heeded.order < asked.order


def unpursued(here: Pass) -> Decision:
    """No retrain is thought of: one that was asked for just before is still to be heeded, not only at the operator's next start; and an
    episode whose model does not serve any more says what its end waits for.
    """
    episode, target = episode_of(here.snapshot.status), here.facts.target
    if episode is None:
        return Decision({})
    if unheeded(here):
        return Decision({}, wait=UNHEEDED_DELAY)
    if not isinstance(target, Watched) or not requests_of(episode):
        return Decision({})
    if episode.get("state") == STALLED or target.key == episode.get("modelKey"):
        return Decision({})
    return _told(episode, WAITING, f"{target.model} serves: its first good check ends this")


def run_of(spec: MonitorPolicySpec, status: Mapping[str, Any]) -> str:
    """The TrainingRun that is asked, or that was while something followed a breach; empty where there is none."""
    asked = status.get("retrain")
    if spec.on_breach is not None:
        return spec.on_breach.retrain.training_run_ref.name
    return str(asked.get("trainingRun") or "") if isinstance(asked, Mapping) else ""


def obstacle(here: Pass, episode: Mapping[str, Any]) -> str:
    """What the cluster alone says against a retrain now; empty: AWS has to be asked."""
    run, spec = here.facts.run, _spec(here)
    if run is None:
        return f"there is no TrainingRun {spec.training_run_ref.name}"
    if unheeded(here):
        return f"TrainingRun {run.name} has not heeded the request yet"
    if run.phase not in TERMINAL_PHASES:
        return f"TrainingRun {run.name} is {run.phase or 'new'}: its end is waited for"
    judged = moment((here.snapshot.status.get("lastCheck") or {}).get("moment"))
    if run.finished is not None and judged is not None and requests_of(episode) and judged <= run.finished:
        return _awaits(here, run) or f"TrainingRun {run.name} has just ended: the next check is waited for"
    return ""


def _awaits(here: Pass, run: RunView) -> str:
    """What a run that ended well has made and what does not serve yet."""
    target = here.facts.target
    newer = run.phase == "Succeeded" and isinstance(target, Watched) and run.model not in ("", target.model)
    return f"{run.model} awaits approval or its rollout" if newer else ""


def decide(here: Pass, episode: Mapping[str, Any]) -> Decision:
    """One retrain, or why there is none."""
    held = obstacle(here, episode)
    if held:
        state = REQUESTED if unheeded(here) else WAITING
        return _told(episode, state, held, UNHEEDED_DELAY if state == REQUESTED else None)
    run, sight = here.facts.run, here.facts.retrains
    assert run is not None
    assert sight is not None, "observe has asked AWS when nothing else stood in the way"
    episode = _resumed(here, episode, sight)
    number, spec = _number(episode, sight), _spec(here)
    target = here.facts.target
    assert isinstance(target, Watched)
    if number and _awaits(here, run) and sight.approval != REJECTED:
        return _told(episode, WAITING, _awaits(here, run))
    most = spec.max_without_improvement or DEFAULT_MAX_WITHOUT_IMPROVEMENT
    if number >= most:
        return _told(
            episode, STALLED, f"{number} retrains have not made it better: look at data and model; a good check of another one ends this"
        )
    message, until = _limited(here, episode, sight)
    if until is not None:
        return _told(episode, WAITING, message, max(1.0, (until - here.now) / timedelta(seconds=1)))
    if spec.require_new_data and not sight.new_data:
        return _told(episode, WAITING, f"the inputs of TrainingRun {run.name} hold nothing new")
    return _asked(here, episode, number + 1)


def retrained_within(here: Pass, sight: RetrainSight, episode: Mapping[str, Any]) -> dict[str, datetime]:
    """This policy's retrains of the last day: by AWS, and by status where the job is not made yet."""
    found = {item.episode: item.created for item in sight.retrained}
    for index, at in enumerate(requests_of(episode), 1):
        found.setdefault(f"{episode['id']}.{index}", at)
    return {name: at for name, at in found.items() if at > here.now - DAY}


def retrains_cell(here: Pass, episode: Mapping[str, Any]) -> str:
    """The RETRAINS column."""
    assert here.facts.retrains is not None
    most = _spec(here).max_per_day or DEFAULT_MAX_PER_DAY
    return f"{len(retrained_within(here, here.facts.retrains, episode))}/{most}"


def _limited(here: Pass, episode: Mapping[str, Any], sight: RetrainSight) -> tuple[str, datetime | None]:
    """The limit that is reached, and until when."""
    spec, recent = _spec(here), retrained_within(here, sight, episode)
    every = [*(item.created for item in sight.retrained), *requests_of(episode)]
    pause = DEFAULT_COOLDOWN if spec.cooldown is None else spec.cooldown
    if every and max(every) + timedelta(seconds=pause) > here.now:
        return f"cooldown of {duration(pause)} since the last retrain", max(every) + timedelta(seconds=pause)
    most = spec.max_per_day or DEFAULT_MAX_PER_DAY
    if len(recent) >= most:
        return f"{len(recent)} retrains within a day, maxPerDay is {most}", sorted(recent.values())[-most] + DAY
    limits = here.bound.spec.limits
    allowed, tenant = limits.max_retrains_per_day if limits is not None else None, dict(sight.tenant) | recent
    times = sorted(at for at in tenant.values() if at > here.now - DAY)
    if allowed is not None and len(times) >= allowed:
        words = f"{len(times)} retrains within a day in Tenant {here.bound.name} (limits.maxRetrainsPerDay: {allowed})"
        return words, times[-allowed] + DAY
    return "", None


def _resumed(here: Pass, episode: Mapping[str, Any], sight: RetrainSight) -> Mapping[str, Any]:
    """A breach of which AWS knows retrains and status does not know the end is the same breach, whatever has become of status."""
    newest = max(sight.retrained, key=lambda item: item.created, default=None)
    base = newest.episode.rpartition(".")[0] if newest is not None else ""
    if newest is None or base in ("", episode["id"], here.snapshot.status.get("lastEpisode")) or requests_of(episode):
        return episode
    times = sorted(timestamp(item.created) for item in sight.retrained if item.episode.rpartition(".")[0] == base)
    return {**episode, "id": base, "modelKey": newest.model_key or episode.get("modelKey"), "requests": times}


def _number(episode: Mapping[str, Any], sight: RetrainSight) -> int:
    """How many retrains this episode has had."""
    numbers = [item.episode.rpartition(".")[2] for item in sight.retrained if item.episode.rpartition(".")[0] == episode["id"]]
    return max([len(requests_of(episode)), *(int(number) for number in numbers if number.isdigit())])


def _asked(here: Pass, episode: Mapping[str, Any], number: int) -> Decision:
    spec, last = _spec(here), here.snapshot.status.get("lastCheck") or {}
    alarm = next(item for item in here.spec.alarms if item.name == episode["alarm"])
    state = recorded_of(here.snapshot.status, alarm.name)
    name, _ = number_of(alarm, here.spec.checks_, last.get("metrics") or ())
    value = next((str(point["value"]) for point in state.get("points") or () if point.get("value") is not None), "")
    request = {
        "trainingRun": spec.training_run_ref.name,
        "episode": f"{episode['id']}.{number}",
        "requestedAt": timestamp(here.now),
        "policy": f"{here.snapshot.key.namespace}/{here.snapshot.key.name}",
        "metric": f"{alarm.check}/{name}",
        "value": value or None,
        "threshold": state.get("threshold"),
        "modelKey": state.get("modelKey"),
        "window": last.get("window"),
    }
    told = {**episode, "state": REQUESTED, "message": "a retrain is asked for"}
    told["requests"] = [*(episode.get("requests") or ()), timestamp(here.now)]
    mark = put_retrain_mark(here, last, alarm.name, value) if value and last.get("endpoint") else ()
    return Decision({"episode": told, "retrain": kept(request)}, mark, 1.0)


def _told(episode: Mapping[str, Any], state: str, message: str, wait: float | None = None) -> Decision:
    return Decision({"episode": {**episode, "state": state, "message": bounded(message)}}, (), wait)


def _spec(here: Pass) -> Retraining:
    assert here.spec.on_breach is not None, "asked only where something follows a breach"
    return here.spec.on_breach.retrain


def view_of(name: str, status: Mapping[str, Any]) -> RunView:
    """A TrainingRun as its status tells, read defensively."""
    steps = status.get("steps") or ()
    registered = next((item for item in steps if isinstance(item, Mapping) and item.get("name") == "register"), {})
    pinned = (status.get("provenance") or {}).get("inputs") or ()
    return RunView(
        name,
        str(status.get("phase") or ""),
        recorded(status.get("retrain")),
        str(status.get("model") or ""),
        str(registered.get("arn") or ""),
        moment(status.get("finishedAt")),
        {str(item.get("name")): (str(item.get("uri")), str(item.get("digest"))) for item in pinned if isinstance(item, Mapping)},
    )
