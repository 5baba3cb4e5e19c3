"""aws.logs: which group and stream is read, how much of it, and what a line may carry into a status."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from sagemaker_gitops.aws.logs import TAIL_LINES, follow, log_line, tail
from sagemaker_gitops.core.errors import AwsFailure, Category
from tests.unit.aws.aws_adapter_fakes import SCOPE, FakeAws, refused


def logs(groups: Mapping[str, Mapping[str, list[str]]]) -> FakeAws:
    """CloudWatch Logs with these groups, streams and lines; ignores `limit`, so that the caller's own bound is seen."""

    def answer(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any] | Exception:
        group = groups.get(parameters["logGroupName"])
        if group is None:
            return refused(Category.NOT_FOUND)
        if operation == "DescribeLogStreams":
            return {"logStreams": [{"logStreamName": name} for name in group if name.startswith(parameters["logStreamNamePrefix"])]}
        return {"events": [{"message": line} for line in group[parameters["logStreamName"]]]}

    return FakeAws(answer)


def tail_of(aws: FakeAws, job_type: str = "TrainingJob", name: str = "job", run_id: str = "") -> tuple[str, ...]:
    return asyncio.run(tail(aws, SCOPE, job_type, name, run_id))


def test_the_tail_is_the_last_twenty_lines() -> None:
    """The end tells why; an answer that is longer than asked for is cut."""
    aws = logs({"/aws/sagemaker/TrainingJobs": {"job/algo-1": [f"line {number}" for number in range(50)]}})
    assert tail_of(aws) == tuple(f"line {number}" for number in range(30, 50))
    assert TAIL_LINES == 20


def test_only_the_end_of_the_log_is_asked_for() -> None:
    """A log may have gigabytes."""
    aws = logs({"/aws/sagemaker/TrainingJobs": {"job/algo-1": ["x"]}})
    tail_of(aws)
    asked = aws.calls[-1][1]
    assert (asked["limit"], asked["startFromHead"]) == (TAIL_LINES, False)
    assert set(aws.scopes) == {SCOPE}


@pytest.mark.parametrize(
    ("job_type", "group"), [("TrainingJob", "/aws/sagemaker/TrainingJobs"), ("ProcessingJob", "/aws/sagemaker/ProcessingJobs")]
)
def test_each_kind_of_job_has_its_group(job_type: str, group: str) -> None:
    """A processing job's log is not looked for among training jobs."""
    assert tail_of(logs({group: {"job/algo-1": ["found"]}}), job_type) == ("found",)


def test_a_job_whose_name_begins_alike_is_not_read() -> None:
    """The prefix ends with a slash."""
    assert tail_of(logs({"/aws/sagemaker/TrainingJobs": {"job-2/algo-1": ["somebody else's"]}})) == ()


def test_glue_names_streams_by_run() -> None:
    """The run's id counts, not the job's name; errors come before output."""
    aws = logs(
        {
            "/aws-glue/python-jobs/error": {"jr_1": ["Traceback"], "jr_2": ["other"]},
            "/aws-glue/python-jobs/output": {"jr_1": ["all is well"]},
        }
    )
    assert tail_of(aws, "GlueJob", run_id="jr_1") == ("Traceback",)


def test_an_empty_or_absent_group_is_passed_over() -> None:
    """The next group may have lines: Spark jobs write to another one; blank lines are none."""
    aws = logs({"/aws-glue/python-jobs/output": {"jr_1": ["", "  \n"]}, "/aws-glue/jobs/error": {"jr_1": ["spark"]}})
    assert tail_of(aws, "GlueJob", run_id="jr_1") == ("spark",)


def test_no_log_at_all_is_no_failure() -> None:
    """A job that never started has none."""
    assert tail_of(logs({})) == ()


def test_a_log_that_may_not_be_read_is_told() -> None:
    """Denied is not the same as absent."""
    with pytest.raises(AwsFailure) as caught:
        tail_of(FakeAws(lambda operation, parameters: refused(Category.BLOCKED)))
    assert caught.value.category is Category.BLOCKED


def test_lines_are_redacted_and_keep_their_indentation() -> None:
    """A traceback without indentation cannot be read, a password must not be."""
    lines = ["\tFile train.py", "    connect(password=hunter2)", "\x1b[31mred\nnext"]
    aws = logs({"/aws/sagemaker/TrainingJobs": {"job/algo-1": lines}})
    assert tail_of(aws) == ("    File train.py", "    connect([redacted]", "[31mred next")


def test_the_text_of_a_line_is_bounded() -> None:
    """One line cannot fill a status."""
    assert len(log_line("  " + "x" * 5000)) == 1002
    assert len(log_line(" " * 5000 + "x")) == 41


def test_follow_reads_every_page_once() -> None:
    """From the head, until the token does not change any more, and in order."""
    pages = {None: (["1", "2"], "a"), "a": (["3"], "b"), "b": ([], "b")}

    def answer(operation: str, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        if operation == "DescribeLogStreams":
            return {"logStreams": [{"logStreamName": "job/algo-1"}]}
        assert parameters["startFromHead"]
        lines, following = pages[parameters.get("nextToken")]
        return {"events": [{"message": line} for line in lines], "nextForwardToken": following}

    async def main() -> list[str]:
        return [line async for line in follow(FakeAws(answer), SCOPE, "TrainingJob", "job")]

    assert asyncio.run(main()) == ["1", "2", "3"]
