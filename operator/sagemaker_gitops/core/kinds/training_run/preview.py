"""Every request a run would make if all went well: what `render` prints and what is validated before the first call."""

from __future__ import annotations

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.kinds.training_run.champion import reevaluation
from sagemaker_gitops.core.kinds.training_run.facts import Champion, JobFact, Succeeded
from sagemaker_gitops.core.kinds.training_run.registration import create_package, create_package_group
from sagemaker_gitops.core.kinds.training_run.requests import creating_actions, job_outputs
from sagemaker_gitops.core.kinds.training_run.run import EVALUATE_CHAMPION, Run, walk


def preview(run: Run) -> tuple[tuple[str, Action], ...]:
    """(step, action) in order, first attempts only, outputs as the requests name them."""
    found: list[tuple[str, Action]] = []
    jobs: dict[str, JobFact] = {}
    progress = walk(run, jobs, {})
    while progress.needs is not None:
        attempt = progress.needs
        found += [(attempt.step.name, action) for action in creating_actions(run, progress, attempt)]
        jobs[attempt.aws_name] = Succeeded(outputs=job_outputs(run, attempt))
        progress = walk(run, jobs, {})
    # Which model serves is known when the gates are judged; until then its archive has this name.
    champion = Champion("champion", "champion", f"{run.effective.artifact_prefix.rstrip('/')}/champion/model.tar.gz")
    second = reevaluation(run, progress, champion, jobs, {})
    if second is not None:
        found += [(EVALUATE_CHAMPION, action) for action in creating_actions(run, progress, second[0])]
    if run.spec.register_ is not None:
        found += [("register", create_package_group(run)), ("register", create_package(run, progress, {}))]
    return tuple(found)
