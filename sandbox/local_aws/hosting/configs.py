"""Endpoint configurations: Create, Describe, List, Delete, and their events. A record and its checks; nothing runs.

Names are unique without regard to case and ARNs are in lower case, as AWS shows them. A config in use can be deleted, as in
AWS; the endpoint's next update then fails because it can't be found.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws.hosting import config_check, words
from local_aws.permissions import check_pass_role
from local_aws.sagemaker import store, tags
from local_aws.sagemaker.models import Models
from local_aws.service import Call, Operations
from local_aws.services import Services

_EVENT = "SageMaker Endpoint Config State Change"


class EndpointConfig:
    """One endpoint configuration; `name` is the key of the store, `body` what Describe shows."""

    def __init__(self, arn: str, request: Mapping[str, Any], now: datetime) -> None:
        self.title: str = request["EndpointConfigName"]
        self.name = self.title.lower()
        self.arn = arn
        self.body: Mapping[str, Any] = {
            "EnableNetworkIsolation": False,
            **{name: value for name, value in request.items() if name != "Tags"},
            "ProductionVariants": [{"InitialVariantWeight": 1.0, **variant} for variant in request["ProductionVariants"]],
            "EndpointConfigArn": arn,
            "CreationTime": now,
        }
        summary = {"EndpointConfigName": self.title, "EndpointConfigArn": arn, "CreationTime": now}
        self.summaries = [store.Summary(self.title, now, now, "", summary)]

    @property
    def variants(self) -> list[Mapping[str, Any]]:
        """The production variants as requested, with their default weight."""
        found: list[Mapping[str, Any]] = self.body["ProductionVariants"]
        return found


class EndpointConfigs:
    """All endpoint configurations of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags, models: Models) -> None:
        self._services = services
        self._tags = tag_store
        self._models = models
        self._configs: store.Store[EndpointConfig] = store.Store(
            lambda name: words.config_absent(self._arn(name)), lambda config: words.config_taken(config.arn)
        )
        tag_store.register("endpoint-config", self.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateEndpointConfig"): self.create,
            ("sagemaker", "DescribeEndpointConfig"): self.describe,
            ("sagemaker", "ListEndpointConfigs"): self.list,
            ("sagemaker", "DeleteEndpointConfig"): self.delete,
        }

    def get(self, name: str) -> EndpointConfig:
        """The configuration of that name; AWS's ValidationException when there is none."""
        return self._configs.get(name.lower())

    def create(self, call: Call) -> dict[str, Any]:
        request = call.params
        config_check.check(request)
        wanted = tags.requested(request.get("Tags"))
        if "ExecutionRoleArn" in request:
            check_pass_role(self._services.world, call.caller, request["ExecutionRoleArn"])
        name = request["EndpointConfigName"]
        self._configs.check_free(name.lower())
        models = {variant["ModelName"]: self._models.get(variant["ModelName"]).body for variant in request["ProductionVariants"]}
        config_check.check_models(request, models)
        config = EndpointConfig(self._arn(name), request, self._services.now())
        self._configs.add(config)
        self._tags.put(config.arn, wanted)
        self._publish(config)
        return {"EndpointConfigArn": config.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return dict(self.get(call.params["EndpointConfigName"]).body)

    def list(self, call: Call) -> dict[str, Any]:
        entries = self._configs.visible(self._services.now(), self._services.world.faults.list_lag)
        return store.page(entries, call.params, default_order="Descending").answer("EndpointConfigs")

    def delete(self, call: Call) -> dict[str, Any]:
        config = self.get(call.params["EndpointConfigName"])
        self._configs.remove(config.name, self._services.now())
        self._publish(config)
        self._tags.drop(config.arn)
        return {}

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:endpoint-config/{name.lower()}"

    def _publish(self, config: EndpointConfig) -> None:
        detail = {**config.body, "Tags": self._tags.get(config.arn)}
        self._services.events.publish("aws.sagemaker", _EVENT, [config.arn], detail)
