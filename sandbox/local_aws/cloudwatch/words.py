"""CloudWatch's own words for refusals that no service model holds.

The service speaks JSON with the codes of its query protocol. Texts are from public issues and from moto's tests, which quote
AWS; where none was found the function says so.
"""

from __future__ import annotations

from local_aws.errors import AwsError


def validation(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def invalid_value(message: str) -> AwsError:
    return AwsError("InvalidParameterValue", message)


def invalid_combination(message: str) -> AwsError:
    return AwsError("InvalidParameterCombination", message)


def missing(member: str) -> AwsError:
    return AwsError("MissingParameter", f"The parameter {member} is required.")


def unsupported(what: str) -> AwsError:
    """What AWS can do and this local AWS cannot; the wording is ours."""
    return validation(f"{what} is not supported in this local AWS.")


def expression(name: str, why: str) -> AwsError:
    """A metric math expression that cannot be carried out; the beginning is AWS's, the reason ours."""
    return validation(f"Error in expression '{name}': {why}")


def alarm_absent() -> AwsError:
    return AwsError("ResourceNotFound", "", status=404)


def resource_absent(arn: str) -> AwsError:
    """A tag operation on what is not there; AWS's wording was not found."""
    return AwsError("ResourceNotFoundException", f"The resource {arn} does not exist.", status=404)


def option(member: str, value: str, options: tuple[str, ...]) -> AwsError:
    known = ", ".join(options[:-1])
    return validation(f"Option {value} is not supported. Supported options for parameter {member} are {known} and {options[-1]}.")


def statistic(value: str, member: str) -> AwsError:
    return invalid_value(f"The value {value} for parameter {member} is not supported.")


def invalid_format(message: str) -> AwsError:
    """AWS's wording was not found."""
    return AwsError("InvalidFormat", message)
