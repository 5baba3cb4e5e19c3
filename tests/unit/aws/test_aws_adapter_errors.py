"""aws.errors: every row of the table, which failures are ambiguous, and what never reaches a status or a log."""

from __future__ import annotations

import pytest

from sagemaker_gitops.aws.errors import (
    CREDENTIAL_CODES,
    MESSAGE_LIMIT,
    RULES,
    classify,
    failure,
    failure_reason,
    mutates,
    redacted,
    unanswered,
)
from sagemaker_gitops.core.errors import Category

# operation, code, message, category: one line for each rule at least, in the words that AWS uses.
TABLE = [
    ("DescribeTrainingJob", "ValidationException", "Requested resource not found.", Category.NOT_FOUND),
    ("DescribeModel", "ValidationException", 'Could not find model "arn:aws:sagemaker:x".', Category.NOT_FOUND),
    ("DescribeModelPackage", "ValidationException", "ModelPackage x does not exist.", Category.NOT_FOUND),
    ("DescribeEndpoint", "ValidationException", "RecordNotFound", Category.NOT_FOUND),
    ("CreateModel", "ValidationException", "Cannot create already existing model", Category.EXISTS),
    ("CreateModelPackageGroup", "ValidationException", "Model Package Group already exists: x", Category.EXISTS),
    ("StopTrainingJob", "ValidationException", "The job is in status Completed", Category.BUSY),
    ("UpdateEndpoint", "ValidationException", "Cannot update in-progress endpoint", Category.BUSY),
    ("UpdateEndpoint", "ValidationException", 'The variant(s) "a" must be deregistered as scalable target', Category.BUSY),
    ("CreateTrainingJob", "ValidationException", "Could not assume role arn:aws:iam::1:role/x", Category.TRANSIENT),
    ("CreateTrainingJob", "ValidationException", "1 validation error detected", Category.TERMINAL),
    ("DeleteTrainingJob", "ResourceInUse", "The job is in status InProgress", Category.BUSY),
    ("DeleteModelPackageGroup", "ResourceInUse", "Delete its packages first", Category.BUSY),
    ("CreateTrainingJob", "ResourceInUse", "Training job names must be unique; it is in status InProgress", Category.EXISTS),
    ("UpdateEndpoint", "ResourceInUse", "busy", Category.BUSY),
    ("StopTrainingJob", "ResourceNotFound", "", Category.NOT_FOUND),
    ("CreateTrainingJob", "ResourceLimitExceeded", "The account-level service limit is 0 instances", Category.BLOCKED),
    ("GetJob", "EntityNotFoundException", "Entity not found", Category.NOT_FOUND),
    ("CreateJob", "AlreadyExistsException", "", Category.EXISTS),
    ("CreateJob", "IdempotentParameterMismatchException", "Job is already defined", Category.EXISTS),
    ("StartJobRun", "ConcurrentRunsExceededException", "", Category.EXISTS),
    ("CreateJob", "ResourceNumberLimitExceededException", "", Category.BLOCKED),
    ("GetJobRuns", "OperationTimeoutException", "", Category.TRANSIENT),
    ("StartJobRun", "InvalidInputException", "", Category.TERMINAL),
    ("GetObject", "NoSuchKey", "", Category.NOT_FOUND),
    ("ListObjectVersions", "NoSuchBucket", "", Category.NOT_FOUND),
    ("HeadObject", "404", "Not Found", Category.NOT_FOUND),
    ("InvokeEndpoint", "ValidationError", "Endpoint digits of account 123456789012 not found.", Category.NOT_FOUND),
    ("InvokeEndpoint", "ValidationError", "Endpoint digits is asynchronous", Category.TERMINAL),
    ("InvokeEndpoint", "ModelNotReadyException", "", Category.TRANSIENT),
    ("InvokeEndpoint", "InternalDependencyException", "", Category.TRANSIENT),
    ("DescribeLogStreams", "ResourceNotFoundException", "The specified log group does not exist.", Category.NOT_FOUND),
    ("DeregisterScalableTarget", "ObjectNotFoundException", "No scalable target registered", Category.NOT_FOUND),
    ("RegisterScalableTarget", "ConcurrentUpdateException", "You already have a pending update", Category.BUSY),
    ("DeleteAlarms", "ResourceConflict", "", Category.BUSY),
    ("DescribeScalingPolicies", "FailedResourceAccessException", "", Category.BLOCKED),
    ("PutMetricAlarm", "LimitExceeded", "", Category.BLOCKED),
    ("PutMetricAlarm", "ValidationError", "Period must not be null", Category.TERMINAL),
    ("PutMetricAlarm", "InvalidParameterValue", "", Category.TERMINAL),
    ("PutMetricAlarm", "MissingParameter", "", Category.TERMINAL),
    ("ListTrainingJobs", "ThrottlingException", "Rate exceeded", Category.THROTTLED),
    ("DescribeTrainingJob", "Throttling", "Rate exceeded", Category.THROTTLED),
    ("AssumeRole", "TooManyRequestsException", "", Category.THROTTLED),
    ("AssumeRole", "RequestLimitExceeded", "", Category.THROTTLED),
    ("PutObject", "SlowDown", "Please reduce your request rate.", Category.THROTTLED),
    ("CreateTrainingJob", "AccessDeniedException", "is not authorized to perform: iam:PassRole", Category.BLOCKED),
    ("AssumeRole", "AccessDenied", "", Category.BLOCKED),
    ("StartJobRun", "UnauthorizedOperation", "", Category.BLOCKED),
    ("HeadObject", "403", "Forbidden", Category.BLOCKED),
    ("GetJob", "ExpiredTokenException", "", Category.BLOCKED),
    ("GetObject", "ExpiredToken", "", Category.BLOCKED),
    ("AssumeRole", "InvalidClientTokenId", "", Category.BLOCKED),
    ("GetJob", "UnrecognizedClientException", "", Category.BLOCKED),
    ("GetObject", "SignatureDoesNotMatch", "", Category.BLOCKED),
    ("GetJob", "RequestExpired", "", Category.BLOCKED),
    ("GetObject", "RequestTimeTooSkewed", "", Category.BLOCKED),
    ("CreateModel", "OptInRequired", "", Category.BLOCKED),
    ("GetJob", "InternalServerError", "", Category.TRANSIENT),
    ("CreateModel", "InternalFailure", "", Category.TRANSIENT),
    ("GetJob", "InternalServiceException", "", Category.TRANSIENT),
    ("PutObject", "ServiceUnavailable", "", Category.TRANSIENT),
    ("PutObject", "RequestTimeout", "", Category.TRANSIENT),
    ("CreateModel", "SerializationException", "", Category.TERMINAL),
    ("CreateModel", "ParamValidation", "Missing required parameter", Category.TERMINAL),
]


@pytest.mark.parametrize(("operation", "code", "message", "category"), TABLE)
def test_each_answer_of_aws_has_its_category(operation: str, code: str, message: str, category: Category) -> None:
    """A row moved, removed or shadowed by another one changes an outcome here."""
    assert classify(operation, code, message, 400) is category


def test_the_table_above_reaches_every_rule() -> None:
    """A new rule comes with an example; only ResourceNotFoundException is covered by its shorter sister."""
    reached = set()
    for operation, code, message, _ in TABLE:
        matches = (
            rule for rule in RULES if code.startswith(rule.code) and operation.startswith(rule.operation) and rule.message in message
        )
        reached.add(next(matches))
    assert {rule.code for rule in set(RULES) - reached} <= {"ResourceNotFoundException"}


@pytest.mark.parametrize(("status", "category"), [(500, Category.TRANSIENT), (503, Category.TRANSIENT), (400, Category.BLOCKED)])
def test_an_unknown_code_is_never_believed_final(status: int, category: Category) -> None:
    """A 5xx is tried again soon, anything else slowly: neither wrong nor absent."""
    assert classify("CreateTrainingJob", "BrandNewException", "", status) is category


def test_a_known_code_counts_more_than_the_status() -> None:
    """S3 throttles with 503."""
    assert classify("PutObject", "SlowDown", "", 503) is Category.THROTTLED


@pytest.mark.parametrize("code", sorted(CREDENTIAL_CODES))
def test_a_refused_credential_is_for_a_human(code: str) -> None:
    """None of the codes that make clients.py pause is retried fast."""
    assert classify("AssumeRole", code, "", 403) is Category.BLOCKED


@pytest.mark.parametrize(
    ("operation", "status", "ambiguous"),
    [
        ("StartJobRun", 500, True),
        ("CreateTrainingJob", 503, True),
        ("DeleteEndpoint", 502, True),
        ("StartJobRun", 400, False),
        ("CreateTrainingJob", 499, False),
        ("DescribeTrainingJob", 500, False),
        ("GetJobRuns", 503, False),
    ],
)
def test_a_5xx_to_a_mutation_is_ambiguous(operation: str, status: int, ambiguous: bool) -> None:
    """AWS may have executed it; a refusal and a read are clear."""
    assert failure("glue", operation, "InternalFailure", "", status).ambiguous is ambiguous


@pytest.mark.parametrize(("operation", "ambiguous"), [("StartJobRun", True), ("CreateTrainingJob", True), ("ListJobs", False)])
def test_no_answer_to_a_mutation_is_ambiguous(operation: str, ambiguous: bool) -> None:
    """The request may have arrived; the error's class is the code."""
    found = unanswered("glue", operation, TimeoutError("read\ntimed out"))
    assert (found.category, found.code, found.message) == (Category.TRANSIENT, "TimeoutError", "read timed out")
    assert found.ambiguous is ambiguous


@pytest.mark.parametrize(
    "operation",
    [
        "CreateTrainingJob",
        "StartJobRun",
        "StopTrainingJob",
        "BatchStopJobRun",
        "UpdateEndpoint",
        "DeleteModel",
        "AddTags",
        "PutObject",
        "AssumeRole",
    ],
)
def test_whatever_is_not_surely_a_read_counts_as_a_mutation(operation: str) -> None:
    """An operation that nobody thought of is treated with care."""
    assert mutates(operation)


@pytest.mark.parametrize(
    "operation",
    ["DescribeTrainingJob", "GetJobRuns", "ListTags", "HeadObject", "ReceiveMessage", "Search", "FilterLogEvents"],
)
def test_reads_are_not_mutations(operation: str) -> None:
    """A lost answer to a read holds nothing up."""
    assert not mutates(operation)


def test_the_failure_keeps_what_support_asks_for() -> None:
    """Service, operation, code and request id."""
    found = failure("sagemaker", "CreateModel", "AccessDeniedException", "no", 400, "r-42")
    assert (found.service, found.operation, found.code, found.request_id) == ("sagemaker", "CreateModel", "AccessDeniedException", "r-42")
    assert str(found) == "sagemaker:CreateModel AccessDeniedException: no"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("key AKIAIOSFODNN7EXAMPLE is invalid", "AKIAIOSFODNN7EXAMPLE"),
        ("Credential=ASIAIOSFODNN7EXAMPLE/20261121", "ASIAIOSFODNN7EXAMPLE"),
        ("https://b.s3/k?X-Amz-Signature=c0ffee&x=1", "c0ffee"),
        ("https://b.s3/k?X-Amz-Security-Token=FwoGZX%2F", "FwoGZX"),
        ("https://b.s3/k?x-amz-credential=SOMEONE%2F2026", "SOMEONE"),
        ("AWS_SECRET_ACCESS_KEY=wJalrXUtn", "wJalrXUtn"),
        ("jdbc:x?user=u&password=hunter2&ssl=1", "hunter2"),
        ("token=t0ps3cret", "t0ps3cret"),
        ("db_password=hunter2", "hunter2"),
        ("my_token=t0ps3cret", "t0ps3cret"),
        ('{"password": "hunter 2", "user": "u"}', "hunter 2"),
        ("password: hunter2", "hunter2"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("postgresql://user:hunter2@db.example.com/x", "hunter2"),
        ("https://t0ps3cret:@example.com/", "t0ps3cret"),
        ("api_key: 'hunter2'", "hunter2"),
        ("privateKey=hunter2", "hunter2"),
        (r"{\"client_secret\": \"hunter2\"}", "hunter2"),
        ("Authorization: Bearer eyJhbGci.e30.abc-_=", "eyJhbGci"),
    ],
)
def test_secrets_are_cut_out(text: str, secret: str) -> None:
    """AWS echoes requests in its messages; neither a failure nor a lost answer carries them on."""
    assert secret not in redacted(text)
    assert "[redacted]" in redacted(text)
    assert secret not in str(failure("s3", "GetObject", "X", text, 400))
    assert secret not in str(unanswered("s3", "GetObject", OSError(text)))


def test_the_command_that_failed_is_told_without_its_arguments() -> None:
    """SageMaker's toolkit ends its FailureReason with every hyperparameter."""
    command = "/miniconda3/bin/python train.py --h0 hunter2 --n 1"
    text = f'AlgorithmError: ExecuteUserScriptError:\nErrorMessage "boom"\nCommand "{command}", exit code: 1'
    assert failure_reason(text) == (
        'AlgorithmError: ExecuteUserScriptError: ErrorMessage "boom" Command "/miniconda3/bin/python train.py ...", exit code: 1'
    )
    assert "hunter2" not in failure_reason('Command "/miniconda3/bin/python -m train --h0 hunter2 and AWS cut the rest')
    assert failure_reason('er1 --h0 hunter2 --h1 hunter2 --n 1", exit code: 1') == 'er1 ... ", exit code: 1'
    assert failure_reason("...h0 hunter2 --h1 hunter2 --h2 x --n 1") == "..."
    assert failure_reason('SM_HPS={"h0":"hunter2","n":1}') == "SM_HPS=..."
    assert failure_reason('Command "python -m pip install -r requirements.txt"').startswith('Command "python -m pip')


def test_only_the_secret_is_cut_out() -> None:
    """What stands around it stays readable."""
    assert redacted("https://b.s3/k?X-Amz-Signature=c0ffee&x=1 was refused") == "https://b.s3/k?[redacted]&x=1 was refused"


def test_a_message_is_one_line_of_printable_characters() -> None:
    """Newlines, NUL, escape sequences, right-to-left marks and line separators become single spaces."""
    assert redacted("a\r\n\tb\x00c\x1b[31md\u202ee\u2028f\u200bg") == "a b c [31md e f g"


def test_a_message_has_at_most_a_thousand_characters() -> None:
    """The limit itself fits; one more ends in an ellipsis."""
    assert redacted("x" * MESSAGE_LIMIT) == "x" * MESSAGE_LIMIT
    assert redacted("x" * (MESSAGE_LIMIT + 1)) == "x" * (MESSAGE_LIMIT - 1) + "…"
    assert MESSAGE_LIMIT == 1000
    assert len(failure("s3", "GetObject", "X", "long " * 100_000, 400).message) == MESSAGE_LIMIT


def test_a_secret_is_cut_out_before_the_message_is_shortened() -> None:
    """A key that the limit would cut in two is not recognised any more."""
    assert "AKIA" not in redacted("x" * 985 + " AKIAIOSFODNN7EXAMPLE")
