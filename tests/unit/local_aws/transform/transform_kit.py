"""The hosting kit with transform jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from hosting_kit import HostingKit
from service_kit import BUCKET, until

LOG_GROUP = "/aws/sagemaker/TransformJobs"
# Answers each line with its length of fields, and tells what it was asked.
COUNTS = """
def model_fn(folder):
    return None
def transform_fn(model, data, content_type, accept):
    print("asked", repr(data), content_type, accept)
    return "".join(str(len(line.split(","))) + "\\n" for line in data.splitlines()), "text/csv"
"""
ECHO = "def model_fn(f): return 0\ndef transform_fn(m, data, c, a): return data, c\n"
ENDED = {"Completed", "Failed", "Stopped"}


@dataclass(frozen=True, slots=True)
class TransformKit(HostingKit):
    """Every job reads below `in/<name>/` and writes below `out/<name>/`."""

    def transform_request(self, files: Mapping[str, str | bytes], model: str | None = None, **changes: Any) -> dict[str, Any]:
        """A CreateTransformJob request on CSV lines; TransformInput and TransformOutput are merged."""
        name = changes.pop("TransformJobName", None) or self.name("transform")
        for path, body in files.items():
            self.put(f"in/{name}/{path}", body)
        source = {
            "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"s3://{BUCKET}/in/{name}/"}},
            "ContentType": "text/csv",
            "SplitType": "Line",
        }
        target = {"S3OutputPath": f"s3://{BUCKET}/out/{name}", "Accept": "text/csv"}
        return {
            "TransformJobName": name,
            "ModelName": model or self.model(script=COUNTS),
            "TransformInput": source | changes.pop("TransformInput", {}),
            "TransformOutput": target | changes.pop("TransformOutput", {}),
            "TransformResources": {"InstanceType": "ml.m5.large", "InstanceCount": 1},
        } | changes

    def transform(self, files: Mapping[str, str | bytes], model: str | None = None, **changes: Any) -> str:
        """Create a job; its name."""
        request = self.transform_request(files, model, **changes)
        self.client("sagemaker").create_transform_job(**request)
        name: str = request["TransformJobName"]
        return name

    def transform_job(self, name: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.client("sagemaker").describe_transform_job(TransformJobName=name)
        return answer

    def transformed(self, name: str) -> dict[str, Any]:
        """Wait for the job's end; its description."""
        until(lambda: self.transform_job(name)["TransformJobStatus"] in ENDED, f"the end of {name}")
        return self.transform_job(name)

    def completed(self, name: str) -> dict[str, str]:
        """The results of a job that completed, by name."""
        described = self.transformed(name)
        assert described["TransformJobStatus"] == "Completed", (described, self.log(LOG_GROUP, name))
        return self.results(name)

    def results(self, name: str) -> dict[str, str]:
        prefix = f"out/{name}/"
        listed = self.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
        return {each["Key"].removeprefix(prefix): self.read(f"s3://{BUCKET}/{each['Key']}").decode() for each in listed}

    def asked(self, name: str) -> list[str]:
        """What the containers of a job printed of each request."""
        return [line for line in self.log(LOG_GROUP, f"{name}/").splitlines() if line.startswith("asked")]
