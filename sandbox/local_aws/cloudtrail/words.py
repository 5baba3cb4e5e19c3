"""CloudTrail's refusals of a lookup: codes and conditions from the API reference; the texts are ours, AWS's were not found."""

from __future__ import annotations

from local_aws.errors import AwsError


def too_many_attributes() -> AwsError:
    return AwsError("InvalidLookupAttributesException", "The list of lookup attributes can contain only one item.")


def no_insight_attribute(key: str) -> AwsError:
    return AwsError("InvalidLookupAttributesException", f"The lookup attribute {key} is not supported for Insights events.")


def time_range() -> AwsError:
    return AwsError("InvalidTimeRangeException", "The start time occurs after the end time.")


def token() -> AwsError:
    return AwsError("InvalidNextTokenException", "The next token is not valid, or was used in a request with different parameters.")
