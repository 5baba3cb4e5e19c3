"""Hosting's own words: refusals and failure reasons that no service model holds.

Texts from public issues and from the ACK controller's error table; clients match on them, so change nothing here without a
source. Where no text of AWS's was found the function says so.
"""

from __future__ import annotations

from collections.abc import Iterable

from local_aws.errors import AwsError
from local_aws.sagemaker.words import validation

SERVICE_FAILED = "Request to service failed. If failure persists after retry, contact customer support."


def config_absent(arn: str) -> AwsError:
    return validation(f'Could not find endpoint configuration "{arn}".')


def config_taken(arn: str) -> AwsError:
    return validation(f'Cannot create already existing endpoint configuration "{arn}".')


def endpoint_absent(arn: str) -> AwsError:
    return validation(f'Could not find endpoint "{arn}".')


def endpoint_taken(arn: str) -> AwsError:
    return validation(f'Cannot create already existing endpoint "{arn}".')


def in_progress(arn: str) -> AwsError:
    """An update, a weight change or a deletion of an endpoint that is busy; DeleteEndpoint says "update" too."""
    return validation(f'Cannot update in-progress endpoint "{arn}".')


def variants_absent(names: Iterable[str], config_name: str) -> AwsError:
    return validation(f'The variant name(s) "{", ".join(names)}" is/are not present within endpoint configuration "{config_name}".')


def not_healthy(container: str, variant: str) -> str:
    """FailureReason of a container that did not answer /ping in time."""
    return (
        f"The {container} container for production variant {variant} did not pass the ping health check. "
        "Please check CloudWatch logs for this endpoint."
    )


def no_model_data(container: str, url: str) -> str:
    """FailureReason of a container whose artifact is gone or may not be read; AWS's text as remembered, without a source."""
    return (
        f'Failed to download model data for container "{container}" from URL: "{url}". Please ensure that there is an object '
        "located at the URL and that the role passed to CreateModel has permissions to download the object."
    )


def runtime_refusal(message: str) -> AwsError:
    """The runtime's own code for a bad request: ValidationError, where the control plane says ValidationException."""
    return AwsError("ValidationError", message, members={"Message": message})


def endpoint_not_serving(name: str, account: str) -> AwsError:
    return runtime_refusal(f"Endpoint {name} of account {account} not found.")


def no_target_variant(variant: str, name: str, account: str) -> AwsError:
    """An unknown TargetVariant; AWS's wording was not found."""
    return runtime_refusal(f"Variant {variant} of endpoint {name} of account {account} not found.")


def no_target_container(hostname: str | None, variant: str) -> AwsError:
    """Direct mode without a TargetContainerHostname or with an unknown one, Serial with one; AWS's wording was not found."""
    if hostname is None:
        return runtime_refusal(f"Variant {variant} runs its containers in Direct mode: TargetContainerHostname is required.")
    return runtime_refusal(f"Variant {variant} has no container {hostname} that can be invoked directly.")


def no_target_model(name: str) -> AwsError:
    return runtime_refusal(f"Endpoint {name} is not a multi-model endpoint and does not support target model header.")


def throttled() -> AwsError:
    """More concurrent requests than a serverless variant's MaxConcurrency; the code is AWS's, the text was not found."""
    message = "Rate exceeded: the endpoint has reached its maximum number of concurrent invocations."
    return AwsError("ThrottlingException", message, members={"Message": message})


def too_large(body: bytes, limit: int) -> AwsError:
    """A request body over the limit, in the words of a constraint violation as AWS shows it for a Java buffer."""
    shown = f"java.nio.HeapByteBuffer[pos=0 lim={len(body)} cap={len(body)}]"
    return runtime_refusal(
        f"1 validation error detected: Value '{shown}' at 'body' failed to satisfy constraint: "
        f"Member must have length less than or equal to {limit}"
    )


def only_async(name: str) -> AwsError:
    """InvokeEndpoint on an asynchronous endpoint; AWS's wording was not found."""
    return runtime_refusal(f"Endpoint {name} is an asynchronous inference endpoint: invoke it with InvokeEndpointAsync.")


def not_async(name: str) -> AwsError:
    """InvokeEndpointAsync on another endpoint; AWS's wording was not found."""
    return runtime_refusal(f"Endpoint {name} has no AsyncInferenceConfig and does not support asynchronous invocations.")


def unavailable() -> AwsError:
    message = "The service is currently unavailable."
    return AwsError("ServiceUnavailable", message, status=503, members={"Message": message})


def timed_out(container: str) -> str:
    """The message in the ModelError of a container that takes longer than 60 seconds; its status is 0."""
    return (
        f"Your invocation timed out while waiting for a response from container {container}. Review the latency metrics for each "
        "container in Amazon CloudWatch, resolve the issue, and try again."
    )
