"""One table from (operation, code, message) to what to do about an AWS error. ACK and the AWS APIs' own references are its sources.

No destructive decision rests on a message alone: NotFound and Exists only ever lead to another look (reference/failure-modes.md 0.6).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sagemaker_gitops.core.errors import AwsFailure, Category

MESSAGE_LIMIT = 1000
_ANY = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Matches when the operation and the code begin with, and the message contains, what is given; empty matches everything."""

    category: Category
    code: str
    message: str = _ANY
    operation: str = _ANY


RULES: tuple[Rule, ...] = (
    # SageMaker says four things with ValidationException; only the message tells which.
    Rule(Category.NOT_FOUND, "ValidationException", "Requested resource not found"),
    Rule(Category.NOT_FOUND, "ValidationException", "Could not find"),
    Rule(Category.NOT_FOUND, "ValidationException", "does not exist"),
    Rule(Category.NOT_FOUND, "ValidationException", "RecordNotFound"),
    Rule(Category.EXISTS, "ValidationException", "Cannot create already existing"),
    Rule(Category.EXISTS, "ValidationException", "already exists"),
    Rule(Category.BUSY, "ValidationException", "is in status"),
    Rule(Category.BUSY, "ValidationException", "in-progress"),
    Rule(Category.BUSY, "ValidationException", "must be deregistered"),
    Rule(Category.TRANSIENT, "ValidationException", "Could not assume role"),
    Rule(Category.TERMINAL, "ValidationException"),
    Rule(Category.BUSY, "ResourceInUse", "is in status", "Delete"),
    Rule(Category.EXISTS, "ResourceInUse", operation="Create"),
    Rule(Category.BUSY, "ResourceInUse"),
    Rule(Category.NOT_FOUND, "ResourceNotFound"),
    Rule(Category.BLOCKED, "ResourceLimitExceeded"),
    # Glue
    Rule(Category.NOT_FOUND, "EntityNotFoundException"),
    Rule(Category.EXISTS, "AlreadyExistsException"),
    Rule(Category.EXISTS, "IdempotentParameterMismatchException"),
    Rule(Category.EXISTS, "ConcurrentRunsExceededException"),
    Rule(Category.BLOCKED, "ResourceNumberLimitExceededException"),
    Rule(Category.TRANSIENT, "OperationTimeoutException"),
    Rule(Category.TERMINAL, "InvalidInputException"),
    # S3
    Rule(Category.NOT_FOUND, "NoSuchKey"),
    Rule(Category.NOT_FOUND, "NoSuchBucket"),
    Rule(Category.NOT_FOUND, "404"),
    # SageMaker Runtime; its ModelError is no failure of AWS (clients.py)
    Rule(Category.NOT_FOUND, "ValidationError", "not found", "Invoke"),
    Rule(Category.TERMINAL, "ValidationError"),
    Rule(Category.TRANSIENT, "ModelNotReadyException"),
    Rule(Category.TRANSIENT, "InternalDependencyException"),
    # CloudWatch Logs
    Rule(Category.NOT_FOUND, "ResourceNotFoundException"),
    # Application Auto Scaling and CloudWatch
    Rule(Category.NOT_FOUND, "ObjectNotFoundException"),
    Rule(Category.BUSY, "ConcurrentUpdateException"),
    Rule(Category.BUSY, "ResourceConflict"),
    Rule(Category.BLOCKED, "FailedResourceAccessException"),
    Rule(Category.BLOCKED, "LimitExceeded"),
    Rule(Category.TERMINAL, "ValidationError"),
    Rule(Category.TERMINAL, "InvalidParameter"),
    Rule(Category.TERMINAL, "MissingParameter"),
    # Everybody
    Rule(Category.THROTTLED, "Throttling"),
    Rule(Category.THROTTLED, "TooManyRequests"),
    Rule(Category.THROTTLED, "RequestLimitExceeded"),
    Rule(Category.THROTTLED, "SlowDown"),
    Rule(Category.BLOCKED, "AccessDenied"),
    Rule(Category.BLOCKED, "UnauthorizedOperation"),
    Rule(Category.BLOCKED, "403"),
    Rule(Category.BLOCKED, "ExpiredToken"),
    Rule(Category.BLOCKED, "InvalidClientTokenId"),
    Rule(Category.BLOCKED, "UnrecognizedClient"),
    Rule(Category.BLOCKED, "SignatureDoesNotMatch"),
    Rule(Category.BLOCKED, "RequestExpired"),
    Rule(Category.BLOCKED, "RequestTimeTooSkewed"),
    Rule(Category.BLOCKED, "OptInRequired"),
    Rule(Category.TRANSIENT, "InternalServerError"),
    Rule(Category.TRANSIENT, "InternalFailure"),
    Rule(Category.TRANSIENT, "InternalService"),
    Rule(Category.TRANSIENT, "ServiceUnavailable"),
    Rule(Category.TRANSIENT, "RequestTimeout"),
    Rule(Category.TERMINAL, "SerializationException"),
    Rule(Category.TERMINAL, "ParamValidation"),
)

CREDENTIAL_CODES = frozenset(
    {"ExpiredToken", "ExpiredTokenException", "InvalidClientTokenId", "UnrecognizedClientException", "SignatureDoesNotMatch"}
)

_SECRETS = (
    re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,}\b"),
    re.compile(
        r"(?i)[\"']?\b[\w-]*(?:Signature|Credential|Security-Token|passwd|pwd|password|secret|token|(?:api|access|private|secret)[_-]?key)"
        r"\\?[\"']?\s*[=:]\s*\\?"
        r"(?:\"[^\"]*\"|'[^']*'|[^\s&\"',;]+)"
    ),
    re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"),
    re.compile(r"(?<=://)[^\s/:@]*:[^\s/@]*(?=@)"),
    re.compile(r"(?i)\bBearer\s+[A-Za-z0-9._~+/-]+=*"),
)

# The same where AWS cut the beginning of a long command off.
_ARGUMENTS = re.compile(r"(?:\.{3}\S* (?:[^\s\"-]\S* )?)?(?:-{1,2}[A-Za-z][\w.-]* [^\s\"]+(?: |(?=\")|$)){3,}")
# What the toolkit prints of a job's settings before the script begins.
_SETTINGS = re.compile(r"\b(SM_(?:HPS|HP_\w+|USER_ARGS|TRAINING_ENV))=.*")
_COMMAND = re.compile(r"(Command \"[^\s\"]+ (?:-m )?[^\s\"]+) [^\"]*(?:\"|$)")


def classify(operation: str, code: str, message: str, status: int) -> Category:
    """The first rule that matches; a 5xx is transient, a code never seen before is retried slowly and never believed final."""
    for rule in RULES:
        if code.startswith(rule.code) and operation.startswith(rule.operation) and rule.message in message:
            return rule.category
    return Category.TRANSIENT if status >= 500 else Category.BLOCKED


def redacted(text: str) -> str:
    """One line without control characters, keys, signatures and tokens, at most MESSAGE_LIMIT characters."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    for pattern in _SECRETS:
        line = pattern.sub("[redacted]", line)
    return line if len(line) <= MESSAGE_LIMIT else line[: MESSAGE_LIMIT - 1] + "…"


def failure_reason(text: str) -> str:
    """What AWS says about a failed job, redacted and without the arguments of the command that failed: SageMaker's toolkit repeats
    every hyperparameter there.
    """
    return redacted(_ARGUMENTS.sub("... ", _COMMAND.sub(r'\1 ..."', _SETTINGS.sub(r"\1=...", text))))


def failure(service: str, operation: str, code: str, message: str, status: int, request_id: str = "") -> AwsFailure:
    """AWS's error answer, classified. A 5xx to a mutation may have been executed."""
    return AwsFailure(
        classify(operation, code, message, status),
        service=service,
        operation=operation,
        code=code,
        message=redacted(message),
        request_id=request_id,
        ambiguous=status >= 500 and mutates(operation),
    )


def unanswered(service: str, operation: str, error: BaseException) -> AwsFailure:
    """No answer, or none that can be read: the request may have been executed."""
    return AwsFailure(
        Category.TRANSIENT,
        service=service,
        operation=operation,
        code=type(error).__name__,
        message=redacted(str(error)),
        ambiguous=mutates(operation),
    )


def mutates(operation: str) -> bool:
    """Whether a call changes something at AWS."""
    return not operation.startswith(("Describe", "Get", "List", "Head", "Receive", "Search", "Filter", "Invoke", "Lookup"))
