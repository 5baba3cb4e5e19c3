"""What a person may ask of a run besides its content: policies, suspension, reruns, annotations, history."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.system.stack import EVALUATE, PREPARE, SKLEARN, TRAIN, Stack, condition

SLOW = "import time\ntime.sleep(600)\n"
BRIEF = "import time\ntime.sleep(8)\n"


def _job_names(stack: Stack, name: str) -> list[str]:
    """Accepted training jobs of an object, in order."""
    entries = stack.aws.ledger(operation="CreateTrainingJob", accepted="true", limit=1_000_000)
    return [entry["resource"] for entry in entries if entry["sessionTags"].get("name") == name]


def _started(stack: Stack, name: str, script: str, **spec: Any) -> str:
    """A run whose training job is in progress; the job's name."""
    stack.run(name, files={"train.py": script}, **spec)
    stack.wait_for_call(name, "CreateTrainingJob")
    return _job_names(stack, name)[0]


def _state(stack: Stack, job: str) -> str:
    found: str = stack.client("sagemaker").describe_training_job(TrainingJobName=job)["TrainingJobStatus"]
    return found


def test_replace_stops_the_old_job_before_the_new_one_starts(stack: Stack) -> None:
    """concurrencyPolicy Replace (default): never two jobs of one object at a time."""
    old = _started(stack, "replaced", SLOW)
    stack.apply(stack.code("replaced-code", {"train.py": TRAIN}))
    stack.until("replaced", lambda status: status.get("phase") == "Succeeded")
    calls = [call for call in stack.calls_for("replaced") if call in ("StopTrainingJob", "CreateTrainingJob")]
    assert calls == ["CreateTrainingJob", "StopTrainingJob", "CreateTrainingJob"]
    assert _state(stack, old) == "Stopped"


def test_queue_lets_the_old_job_finish(stack: Stack) -> None:
    """concurrencyPolicy Queue: the old job completes, then the new one runs."""
    old = _started(stack, "queued", BRIEF, concurrencyPolicy="Queue")
    stack.apply(stack.code("queued-code", {"train.py": TRAIN}))
    stack.until("queued", lambda status: condition(status, "Reconciling").get("reason") == "RunActive")
    stack.until("queued", lambda status: status.get("phase") == "Succeeded")
    assert "StopTrainingJob" not in stack.calls_for("queued")
    assert _state(stack, old) == "Completed"
    assert len(_job_names(stack, "queued")) == 2


def test_forbid_stalls_while_the_old_job_runs(stack: Stack) -> None:
    """concurrencyPolicy Forbid: the edit is refused as long as the old job runs, and says so."""
    _started(stack, "forbidden", SLOW, concurrencyPolicy="Forbid")
    stack.apply(stack.code("forbidden-code", {"train.py": TRAIN}))
    status = stack.until("forbidden", lambda status: condition(status, "Stalled").get("reason") == "RunActive")["status"]
    assert "concurrencyPolicy: Forbid" in condition(status, "Stalled")["message"]
    assert len(_job_names(stack, "forbidden")) == 1
    stack.delete("forbidden")


def test_suspend_starts_nothing_and_resume_goes_on(stack: Stack) -> None:
    """A running step ends, the next one does not start; taking suspend back goes on from there."""
    files = {"train.py": BRIEF + TRAIN, "evaluate.py": EVALUATE}
    evaluate = {"processing": {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}}
    manifest = stack.run("suspended", files=files, evaluate=evaluate)
    stack.wait_for_call("suspended", "CreateTrainingJob")
    stack.apply(manifest | {"spec": manifest["spec"] | {"suspend": True}})
    trained = stack.until("suspended", lambda status: status.get("phase") == "Suspended" and status["steps"][0]["state"] == "Succeeded")[
        "status"
    ]
    assert not condition(trained, "Stalled")
    assert not condition(trained, "Reconciling")
    assert stack.accepted("suspended", "CreateProcessingJob") == 0

    def resume() -> None:
        stack.apply(manifest)
        stack.until("suspended", lambda status: status.get("phase") == "Succeeded")

    assert stack.created_by(resume) == Counter({"sagemaker:CreateProcessingJob": 1})


def test_a_suspended_run_makes_no_call_at_all_that_creates(stack: Stack) -> None:
    """Committed suspended: nothing is made until that is taken back."""
    stack.run("born-suspended", suspend=True)
    stack.until("born-suspended", lambda status: status.get("phase") == "Suspended")
    assert not {call for call in stack.calls_for("born-suspended") if call.startswith(("Create", "Start", "Put"))}


def test_a_rerun_nonce_trains_once_more_and_prepares_not(stack: Stack) -> None:
    """The annotation enters at train; the same value again starts nothing."""
    files = {"prepare.py": PREPARE, "train.py": TRAIN}
    prepare = {"glue": {"script": "prepare.py", "outputs": ["train"]}}
    train = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]}
    stack.run("again", files=files, prepare=prepare, train=train)
    stack.ended("again")

    def rerun(nonce: str) -> None:
        stack.annotate("again", rerun=nonce)
        stack.reran("again", nonce)

    assert stack.created_by(lambda: rerun("1")) == Counter({"sagemaker:CreateTrainingJob": 1})
    assert stack.created_by(lambda: rerun("1")) == Counter()
    assert stack.created_by(lambda: rerun("2")) == Counter({"sagemaker:CreateTrainingJob": 1})
    assert [entry["trigger"] for entry in stack.status("again")["history"]] == ["rerun 2", "rerun 1", "spec"]


def test_a_rerun_after_a_failed_glue_run_prepares_anew(stack: Stack) -> None:
    """What failed is the thing to do again, under a name of its own."""
    files = {"prepare.py": PREPARE, "train.py": TRAIN}
    prepare = {"glue": {"script": "prepare.py", "outputs": ["train"]}}
    train = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["train"]}
    stack.aws.fail_jobs(job="JobRun", reason="ConcurrentModificationException", name="glue-again-prepare")
    stack.run("glue-again", files=files, prepare=prepare, train=train)
    assert stack.ended("glue-again")["phase"] == "Failed"
    stack.annotate("glue-again", rerun="1")
    stack.until("glue-again", lambda status: status.get("phase") == "Succeeded")
    assert stack.accepted("glue-again", "StartJobRun") == 2


def test_history_is_bounded_by_its_limit(stack: Stack) -> None:
    """historyLimit runs are kept, the newest first."""
    stack.run("history", historyLimit=2)
    stack.ended("history")
    for nonce in ("1", "2"):
        stack.annotate("history", rerun=nonce)
        stack.reran("history", nonce)
    assert [entry["trigger"] for entry in stack.status("history")["history"]] == ["rerun 2", "rerun 1"]


def test_pause_stops_every_call_until_it_is_taken_back(stack: Stack) -> None:
    """The annotation of a person who needs quiet: no AWS call, said in status; afterwards the edit is done."""
    manifest = stack.manifest("paused")
    manifest["metadata"]["annotations"] = {"sagemaker-gitops.dev/pause": "true"}
    stack.apply(stack.code("paused-code", {"train.py": TRAIN}), manifest)
    stack.until("paused", lambda status: condition(status, "Ready").get("reason") == "Paused")
    assert stack.calls_for("paused") == []
    stack.annotate("paused", pause=None)
    assert stack.ended("paused")["phase"] == "Succeeded"


def test_release_gives_up_the_object_and_leaves_aws_as_it_is(stack: Stack) -> None:
    """Break glass: the finalizer goes without a call, and the job goes on."""
    job = _started(stack, "released", SLOW)
    stack.until("released", lambda status: status.get("phase") == "Running")
    before = stack.calls_for("released")
    stack.annotate("released", release="true")
    stack.delete("released")
    assert [call for call in stack.calls_for("released")[len(before) :] if call.startswith(("Stop", "Delete"))] == []
    assert _state(stack, job) == "InProgress"
    stack.client("sagemaker").stop_training_job(TrainingJobName=job)
