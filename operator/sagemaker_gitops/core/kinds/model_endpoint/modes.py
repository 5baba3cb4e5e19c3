"""What AWS does not offer for a way of serving, where only Tenant and registry make it plain; the rest is refused by the schema. Pure.

Sources: Amazon SageMaker developer guide, "Serverless Inference" (feature exclusions); API Reference, CreateModel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.model_reference import PIPELINE_LIMIT
from sagemaker_gitops.core.errors import Finding
from sagemaker_gitops.core.kinds.model_endpoint.facts import ModelFact, Resolved
from sagemaker_gitops.core.tenancy import Bound

OFFERS = {"kms": "an encryption key", "vpc": "subnets and security groups"}


def mode_findings(spec: ModelEndpointSpec, tenant: Bound, models: Mapping[str, ModelFact]) -> tuple[Finding, ...]:
    """`models` as far as they are known."""
    resolved = {name: model for name, model in models.items() if isinstance(model, Resolved)}
    return (*_serverless(spec, tenant, resolved), *_too_long(spec, resolved))


def _serverless(spec: ModelEndpointSpec, tenant: Bound, models: Mapping[str, Resolved]) -> Iterator[Finding]:
    for index, variant in enumerate(spec.variants):
        if variant.serverless is None:
            continue
        path = f"spec.variants[{index}]"
        for required in tenant.spec.require:
            why = f"Tenant {tenant.name} requires {OFFERS[required]} (require: [{required}]), which AWS Serverless Inference does not have"
            yield Finding(f"{path}.serverless", f"{why}: give the variant resources instead")
        default = tenant.spec.defaults.network
        if spec.network is None and default is not None and (default.subnet_ids or default.isolation):
            why = f"the default of Tenant {tenant.name} is a VPC or isolation, which AWS Serverless Inference does not have"
            yield Finding(
                "spec.network", f"{why}: write network: {{}} to serve without, or give the variant resources instead of serverless"
            )
        if variant.name in models and len(models[variant.name].containers) > 1:
            why = f"{models[variant.name].label} is an inference pipeline, which AWS Serverless Inference does not have"
            yield Finding(f"{path}.model", f"{why}: give the variant resources instead of serverless")


def _too_long(spec: ModelEndpointSpec, models: Mapping[str, Resolved]) -> Iterator[Finding]:
    for index, variant in enumerate(spec.variants):
        count = len(models[variant.name].containers) if variant.name in models else 0
        if count > PIPELINE_LIMIT:
            yield Finding(f"spec.variants[{index}].model", f"has {count} containers, AWS takes at most {PIPELINE_LIMIT} in one pipeline")
