"""What a schedule runs, whichever of the five requests says it: four kinds of job definition, or one inside the schedule. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

KINDS: Final = ("DataQuality", "ModelQuality", "ModelBias", "ModelExplainability")

Members = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """`spec` is the image with how it is called, `given` the EndpointInput, `truth` the S3 prefix of ground truth."""

    kind: str
    spec: Members
    given: Members
    output: Members
    resources: Members
    role: str
    truth: str | None
    baseline: Members
    environment: Mapping[str, str]
    network: Members | None
    stopping: Members | None

    @property
    def endpoint(self) -> str:
        name: str = self.given["EndpointName"]
        return name


def of_definition(kind: str, request: Members) -> Plan:
    """From the members of Create<kind>JobDefinition."""
    spec, given = request[f"{kind}AppSpecification"], request[f"{kind}JobInput"]
    return Plan(
        kind=kind,
        spec=spec,
        given=given["EndpointInput"],
        output=request[f"{kind}JobOutputConfig"],
        resources=request["JobResources"],
        role=request["RoleArn"],
        truth=given.get("GroundTruthS3Input", {}).get("S3Uri"),
        baseline=request.get(f"{kind}BaselineConfig", {}),
        environment=spec.get("Environment", {}),
        network=request.get("NetworkConfig"),
        stopping=request.get("StoppingCondition"),
    )


def of_inline(kind: str, definition: Members) -> Plan:
    """From a schedule's MonitoringJobDefinition."""
    return Plan(
        kind=kind,
        spec=definition["MonitoringAppSpecification"],
        given=definition["MonitoringInputs"][0]["EndpointInput"],
        output=definition["MonitoringOutputConfig"],
        resources=definition["MonitoringResources"],
        role=definition["RoleArn"],
        truth=None,
        baseline=definition.get("BaselineConfig", {}),
        environment=definition.get("Environment", {}),
        network=definition.get("NetworkConfig"),
        stopping=definition.get("StoppingCondition"),
    )
