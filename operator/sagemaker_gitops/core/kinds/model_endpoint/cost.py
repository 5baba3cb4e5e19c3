"""What an endpoint costs, as an estimate: its live instances by the list price of an hour. Pure.

Left out because nobody can know them ahead: data that comes and goes, disks, captured data, discounts, what is billed by the request.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.prices import HOURS_A_MONTH, Prices


def estimate(prices: Prices, serving: Serving, live: LiveEndpoint) -> dict[str, Any]:
    """status.cost: hour and month, or the reason why there is no figure. A sum with a part that is not known is none."""
    if serving.spec.async_ is not None:
        return {"reason": "an asynchronous endpoint has as many instances as its queue needs: it is not estimated"}
    region, total, unknown = serving.tenant.spec.region, Decimal(0), set[str]()
    for variant in serving.spec.variants:
        found, instance_type = live.variants.get(variant.name), serving.effective.instance_types.get(variant.name, "")
        if not instance_type:
            return {"reason": f"{variant.name} has no instances of its own: what is billed by the request is not estimated"}
        price = prices.hosting_hour(region, instance_type)
        if price is None:
            unknown.add(instance_type)
        elif found is not None:
            total += price * found.instances
    if unknown:
        reason = f"no price of {', '.join(sorted(unknown))} in {region} is known: the platform team can give it (SAGEMAKER_GITOPS_PRICES)"
        return {"reason": reason, "pricesAsOf": prices.as_of}
    return {"hourlyUsd": f"{total:.4f}", "monthlyUsd": f"{total * HOURS_A_MONTH:.2f}", "pricesAsOf": prices.as_of}
