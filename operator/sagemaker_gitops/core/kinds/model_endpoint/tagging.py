"""Tags of what serves, outside every content key: an edit of tags is AddTags and DeleteTags on endpoint, live config and its models.

Which keys are ours to remove is written on each resource itself (naming.TAG_MEMORY), so it outlives status and cluster. The git
revision follows the config that serves: a commit that changes no content writes nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping

from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving


def tagged_key(serving: Serving) -> str:
    """Identity of the tags that are wanted, and of what carries them."""
    return naming.content_key([serving.config_name, dict(serving.effective.tags)])


def tag_requests(serving: Serving, found: Mapping[str, Mapping[str, str]]) -> tuple[AwsRequest, ...]:
    """What brings the tags of `found` (by ARN: endpoint, config, models) to the wanted ones; what is not ours is left alone."""
    revision = next((tags.get(naming.TAG_REVISION, "") for arn, tags in found.items() if ":endpoint-config/" in arn), "")
    requests: list[AwsRequest] = []
    for arn, tags in found.items():
        if not naming.owned_by(tags, serving.install, serving.owner):
            continue
        of_config = {naming.TAG_REVISION: revision} if revision and ":endpoint/" in arn else {}
        requests += _changes(arn, tags, dict(serving.effective.tags), of_config)
    return tuple(requests)


def _changes(arn: str, tags: Mapping[str, str], given: Mapping[str, str], more: Mapping[str, str]) -> list[AwsRequest]:
    """Removals first: together, old and new keys may be more than AWS allows."""
    memory = naming.tag_memory(given)
    marks = set(tags.get(naming.TAG_MEMORY, "").split())
    gone = sorted(key for key in tags if key not in given and not key.startswith(naming.TAG_PREFIX) and naming.tag_mark(key) in marks)
    gone += [naming.TAG_MEMORY] if naming.TAG_MEMORY in tags and not memory else []
    added = {key: value for key, value in {**given, **memory, **more}.items() if tags.get(key) != value}
    requests = [AwsRequest("sagemaker", "DeleteTags", arn, {"ResourceArn": arn, "TagKeys": gone})] if gone else []
    if added:
        listed = [{"Key": key, "Value": value} for key, value in sorted(added.items())]
        requests.append(AwsRequest("sagemaker", "AddTags", arn, {"ResourceArn": arn, "Tags": listed}))
    return requests


def tag_words(requests: tuple[AwsRequest, ...]) -> str:
    """For people: which keys change, on how many resources."""
    keys = sorted({key for item in requests for key in _keys(item) if not key.startswith(naming.TAG_PREFIX)})
    return f"tags {', '.join(keys)}" if keys else "tags"


def _keys(request: AwsRequest) -> list[str]:
    parameters = request.parameters
    return [tag["Key"] for tag in parameters["Tags"]] if "Tags" in parameters else list(parameters["TagKeys"])
