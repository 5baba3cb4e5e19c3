"""What a MonitorPolicy watches: the model that a ModelEndpoint of the namespace serves, by its status, or that another endpoint serves,
by what AWS says of it. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, assert_never

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.core import naming, tenancy
from sagemaker_gitops.core.kinds.monitor_policy.facts import Completion, NotReady, TargetFact, Unfit, Watched
from sagemaker_gitops.core.kinds.training_run.champion import ANSWERING, serving
from sagemaker_gitops.core.kinds.training_run.facts import Champion, ChampionPending, NoChampion, NoSuchVariant
from sagemaker_gitops.core.kinds.training_run.status import partition
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.core.tenancy import Bound

ENDPOINT_PATH, BATCH_PATH = "spec.target.endpointName", "spec.target.batchOf"


def target_of(spec: MonitorPolicySpec, endpoint: Snapshot | None) -> TargetFact:
    """`endpoint` is the ModelEndpoint as last seen; its status is read defensively, because anybody may have edited it."""
    assert spec.target.endpoint_ref is not None, "asked for a ModelEndpoint only"
    name, variant = spec.target.endpoint_ref.name, spec.target.variant
    if endpoint is None:
        return NotReady(f"there is no ModelEndpoint {name} in this namespace")
    served = serving(name, variant, endpoint)
    match served:
        case NoChampion() | ChampionPending():
            return NotReady(served.message)
        case NoSuchVariant():
            return Unfit("spec.target.variant", served.message)
        case Champion():
            return _watched(name, endpoint, served)
        case _:
            assert_never(served)


def foreign_target(
    spec: MonitorPolicySpec, tenant: Bound, endpoint: Mapping[str, Any], config: Mapping[str, Any], model: Mapping[str, Any]
) -> TargetFact:
    """An endpoint that is not ours, by DescribeEndpoint, DescribeEndpointConfig and DescribeModel (empty where there is none)."""
    name, chosen = spec.target.name, chosen_variant(spec, endpoint)
    if isinstance(chosen, Unfit):
        return chosen
    asked = model_of(config, chosen) or str(endpoint.get("EndpointConfigName"))
    containers = [model.get("PrimaryContainer") or {}, *(model.get("Containers") or ())]
    package = next((str(item["ModelPackageName"]) for item in containers if item.get("ModelPackageName")), "")
    label = package.partition(":model-package/")[2] or asked
    content = [[item.get(field) for field in ("ModelPackageName", "Image", "ModelDataUrl", "ModelDataSource")] for item in containers]
    return Watched(
        name, chosen, label, naming.content_key([tenant.spec.account, asked, content]), package, endpoint.get("LastModifiedTime")
    )


def unfit_endpoint(spec: MonitorPolicySpec, tenant: Bound, endpoint: Mapping[str, Any]) -> Unfit | None:
    """Why the Tenant's fence does not let it be watched: where it is, or where its captured data lies."""
    arn = str(endpoint.get("EndpointArn", ""))
    if arn.split(":")[3:5] != [tenant.spec.region, tenant.spec.account]:
        words = f"{arn} is not in account {tenant.spec.account} and region {tenant.spec.region} of Tenant {tenant.name}"
        return Unfit(ENDPOINT_PATH, f"{words}: name an endpoint that is")
    where = str((endpoint.get("DataCaptureConfig") or {}).get("DestinationS3Uri") or "")
    found = [*tenancy.outside_prefixes(tenant.name, [(ENDPOINT_PATH, where)], tenant.spec.allow.s3_prefixes)] if where else []
    return Unfit(ENDPOINT_PATH, f"{spec.target.name} captures its data where it may not be read: {found[0].message}") if found else None


def chosen_variant(spec: MonitorPolicySpec, endpoint: Mapping[str, Any]) -> str | Unfit:
    """Name of the variant that is checked."""
    weights = {str(item["VariantName"]): float(item.get("CurrentWeight") or 0) for item in endpoint.get("ProductionVariants") or ()}
    wanted = spec.target.variant
    if not weights or (wanted is not None and wanted not in weights):
        names = ", ".join(weights) or "none"
        words = f"endpoint {spec.target.name} serves no variant {wanted or ''}, but {names}: name one of them, or leave variant out"
        return Unfit("spec.target.variant", words)
    return wanted or max(weights, key=lambda name: weights[name])


def model_of(config: Mapping[str, Any], variant: str) -> str:
    """Name of the SageMaker model of a variant; empty where the config has none for it."""
    return next(
        (
            str(item["ModelName"])
            for item in config.get("ProductionVariants") or ()
            if item.get("VariantName") == variant and item.get("ModelName")
        ),
        "",
    )


def batch_target(spec: MonitorPolicySpec, tenant: Bound, job: Completion) -> Watched:
    """The model that a transform job asked, by the ModelEndpoint's status."""
    region = tenant.spec.region
    place = f"arn:{partition(region)}:sagemaker:{region}:{tenant.spec.account}:model-package/"
    package = f"{place}{job.model}" if re.fullmatch(r"[A-Za-z0-9-]{1,63}/[0-9]{1,9}", job.model) else ""
    return Watched(spec.target.name, "", job.model or job.model_name, naming.content_key([job.model_name or job.model]), package)


def unfit_output(tenant: Bound, job: str, where: str) -> Unfit | None:
    """Why the Tenant's fence does not let the output of a transform job be read."""
    found = [*tenancy.outside_prefixes(tenant.name, [(BATCH_PATH, where)], tenant.spec.allow.s3_prefixes)]
    return Unfit(BATCH_PATH, f"transform job {job} writes where it may not be read: {found[0].message}") if found else None


def _watched(name: str, endpoint: Snapshot, served: Champion) -> TargetFact:
    phase, aws_name = endpoint.status.get("phase"), endpoint.status.get("endpointName")
    if phase not in ANSWERING or not isinstance(aws_name, str):
        return NotReady(f"ModelEndpoint {name} is {phase}, and not in service")
    if not endpoint.spec.get("dataCapture"):
        return NotReady(f"ModelEndpoint {name} captures no data: add dataCapture to its spec")
    key = naming.content_key([served.label, served.package_arn, served.artifact])
    return Watched(aws_name, served.variant, served.label, key, served.package_arn)
