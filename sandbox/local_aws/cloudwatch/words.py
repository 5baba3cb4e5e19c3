"""CloudWatch's own words for refusals that no service model holds.

The service speaks JSON with the codes of its query protocol. Texts are from public issues and from moto's tests, which quote
AWS; where none was found the function says so.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

from local_aws.errors import AwsError


class Problem(Protocol):
    """What `dashboards.check` finds."""

    @property
    def path(self) -> str: ...

    @property
    def message(self) -> str: ...


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


def dashboard_name(name: str) -> AwsError:
    return invalid_value(
        f"The value {name} for field DashboardName contains invalid characters. "
        "It can only contain alphanumerics, dash (-) and underscore (_).\n"
    )


def dashboard_absent(name: str) -> AwsError:
    return AwsError("ResourceNotFound", f"Dashboard {name} does not exist", status=404)


def dashboard_no_json() -> AwsError:
    return AwsError("InvalidParameterInput", "The field DashboardBody must be a valid JSON object")


def dashboard_message(problem: Problem) -> Mapping[str, str]:
    """A DashboardValidationMessage."""
    return {"DataPath": problem.path, "Message": problem.message}


def dashboard_invalid(problems: Sequence[Problem]) -> AwsError:
    listed = json.dumps([{"dataPath": problem.path, "message": problem.message} for problem in problems], indent=2)
    message = f"The dashboard body is invalid, there are {len(problems)} validation errors:\n{listed}"
    members = {"dashboardValidationMessages": [dashboard_message(problem) for problem in problems]}
    return AwsError("InvalidParameterInput", message, members=members)


def widget_invalid(problems: Sequence[Problem]) -> AwsError:
    """AWS's wording was not found."""
    listed = "; ".join(f"{problem.path} {problem.message}" for problem in problems)
    return validation(f"The MetricWidget is not valid: {listed}.")
