"""Glue's own refusals: codes as in reference/failure-modes.md 2.1, texts from public issues."""

from __future__ import annotations

from local_aws.errors import AwsError


def invalid(message: str) -> AwsError:
    return AwsError("InvalidInputException", message)


def job_absent(name: str) -> AwsError:
    return AwsError("EntityNotFoundException", f"Job with name: {name} not found.")


def job_taken(name: str) -> AwsError:
    return AwsError("AlreadyExistsException", f"Job with name: {name} already exists.")


def job_absent_at_start(name: str) -> AwsError:
    """StartJobRun has its own text for a missing job."""
    return AwsError("EntityNotFoundException", f"Failed to start job run due to missing metadata: job {name}")


def run_absent(run_id: str) -> AwsError:
    return AwsError("EntityNotFoundException", f"Job run {run_id} not found.")


def too_many_runs(name: str) -> AwsError:
    return AwsError("ConcurrentRunsExceededException", f"Concurrent runs exceeded for {name}")


def role_not_assumable(role: str) -> AwsError:
    return invalid(f"Role {role} should be given assume role permissions for Glue Service.")
