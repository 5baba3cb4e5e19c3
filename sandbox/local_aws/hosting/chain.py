"""One request on its way through the containers of a model: the answer of each is the input of the next.

The same for real-time and asynchronous invocations and for batch transform. Source: developer guide, "Inference pipelines in
Amazon SageMaker AI".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from local_aws.errors import AwsError
from local_aws.hosting import words
from local_aws.hosting.container import StartError
from local_aws.hosting.model_server import ModelServer, Reply, UnreachableError
from local_aws.world import World

MODEL_ERROR: Final = 424
ATTRIBUTES: Final = "X-Amzn-SageMaker-Custom-Attributes"
_MESSAGE_CHARACTERS: Final = 2048


@dataclass(frozen=True, slots=True)
class Answered:
    """The reply of the last container that was asked, and its name; a status outside 200 to 299 ended the chain there."""

    reply: Reply
    container: str

    @property
    def good(self) -> bool:
        return 200 <= self.reply.status < 300


def headers(params: Mapping[str, str]) -> dict[str, str]:
    """What a container gets of an invocation's ContentType, Accept and CustomAttributes."""
    found = {"Content-Type": params.get("ContentType", "application/octet-stream"), "Accept": params.get("Accept", "*/*")}
    if "CustomAttributes" in params:
        found[ATTRIBUTES] = params["CustomAttributes"]
    return found


def ask(servers: Sequence[ModelServer], body: bytes, sent: Mapping[str, str], timeout: float) -> Answered:
    """POST `body` through `servers`, each of which gets `timeout` wall seconds; a timeout is a reply of status 0.

    A server that does not run is started. UnreachableError when one can't be, or does not answer.
    """
    reply, name = Reply(200, sent["Content-Type"], body), ""
    for server in servers:
        name = server.container.name
        try:
            server.ensure()
            reply = server.call(reply.body, {**sent, "Content-Type": reply.content_type}, timeout)
        except TimeoutError:
            return Answered(Reply(0, "text/plain", words.timed_out(name).encode()), name)
        except StartError as error:
            raise UnreachableError(error.reason) from error
        if not 200 <= reply.status < 300:
            break
    return Answered(reply, name)


def model_error(world: World, group: str, answered: Answered) -> AwsError:
    """The ModelError that the caller gets instead of a bad reply; `group` is where the container's log is."""
    reply = answered.reply
    said = reply.body.decode("utf-8", "replace")[:_MESSAGE_CHARACTERS]
    kind = "client" if 400 <= reply.status < 500 else "server"
    console = f"https://{world.region}.console.aws.amazon.com/cloudwatch/home?region={world.region}#logEventViewer:group={group}"
    message = (
        f'Received {kind} error ({reply.status}) from {answered.container} with message "{said}". '
        f"See {console} in account {world.account} for more information."
    )
    members = {
        "Message": message,
        "OriginalStatusCode": reply.status,
        "OriginalMessage": said,
        "LogStreamArn": f"arn:aws:logs:{world.region}:{world.account}:log-group:{group}",
    }
    return AwsError("ModelError", message, status=MODEL_ERROR, members=members)
