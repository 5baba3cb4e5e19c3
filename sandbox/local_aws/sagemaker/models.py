"""Models: CreateModel, DescribeModel, ListModels, DeleteModel. A record; nothing runs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from local_aws import storage
from local_aws.permissions import check_pass_role
from local_aws.sagemaker import model_check, store, tags, words
from local_aws.sagemaker.training import PRINCIPAL
from local_aws.service import Call, Operations
from local_aws.services import Services


class Model:
    """One model as Describe and List show it."""

    def __init__(self, arn: str, request: Mapping[str, Any], now: datetime) -> None:
        self.name: str = request["ModelName"]
        self.arn = arn
        body = {name: value for name, value in request.items() if name != "Tags"}
        if "PrimaryContainer" in body:
            body["PrimaryContainer"] = _container(body["PrimaryContainer"])
        if "Containers" in body:
            body["Containers"] = [_container(each) for each in body["Containers"]]
        self.body: Mapping[str, Any] = {
            "EnableNetworkIsolation": False,
            **body,
            "ModelArn": arn,
            "CreationTime": now,
        }
        summary = {"ModelName": self.name, "ModelArn": arn, "CreationTime": now}
        self.summaries = [store.Summary(self.name, now, now, "", summary)]


class Models:
    """All models of one world."""

    def __init__(self, services: Services, tag_store: tags.Tags) -> None:
        self._services = services
        self._tags = tag_store
        self._models: store.Store[Model] = store.Store(
            lambda name: words.model_absent(self._arn(name)), lambda model: words.model_taken(model.arn)
        )
        tag_store.register("model", self._models.get)

    def operations(self) -> Operations:
        return {
            ("sagemaker", "CreateModel"): self.create,
            ("sagemaker", "DescribeModel"): self.describe,
            ("sagemaker", "ListModels"): self.list,
            ("sagemaker", "DeleteModel"): self.delete,
        }

    def get(self, name: str) -> Model:
        """The model of that name, for those who run it; AWS's ValidationException when there is none."""
        return self._models.get(name)

    def create(self, call: Call) -> dict[str, Any]:
        request, world = call.params, self._services.world
        model_check.check(request)
        wanted = tags.requested(request.get("Tags"))
        if "ExecutionRoleArn" in request:
            check_pass_role(world, call.caller, request["ExecutionRoleArn"])
            if not world.identity.service_may_assume(request["ExecutionRoleArn"], PRINCIPAL):
                raise words.role_not_assumable(request["ExecutionRoleArn"])
        self._models.check_free(request["ModelName"])
        for container in (request.get("PrimaryContainer"), *request.get("Containers", ())):
            self._check_data(container or {})
        model = Model(self._arn(request["ModelName"]), request, self._services.now())
        self._models.add(model)
        self._tags.put(model.arn, wanted)
        return {"ModelArn": model.arn}

    def describe(self, call: Call) -> dict[str, Any]:
        return dict(self._models.get(call.params["ModelName"]).body)

    def list(self, call: Call) -> dict[str, Any]:
        world = self._services.world
        entries = self._models.visible(self._services.now(), world.faults.list_lag)
        return store.page(entries, call.params, default_order="Descending").answer("Models")

    def delete(self, call: Call) -> dict[str, Any]:
        model = self._models.get(call.params["ModelName"])
        self._models.remove(model.name, self._services.now())
        self._tags.drop(model.arn)
        return {}

    def _arn(self, name: str) -> str:
        world = self._services.world
        return f"arn:aws:sagemaker:{world.region}:{world.account}:model/{name}"

    def _check_data(self, container: Mapping[str, Any]) -> None:
        url = container.get("ModelDataUrl") or container.get("ModelDataSource", {}).get("S3DataSource", {}).get("S3Uri")
        if not url:
            return
        try:
            found = self._services.storage.exists(storage.parse(url))
        except ValueError as error:
            raise words.validation(f"Invalid ModelDataUrl: {error}") from error
        if not found:
            raise words.validation(f"Could not find model data at {url}.")


def _container(container: Mapping[str, Any]) -> dict[str, Any]:
    return {"Mode": "SingleModel", "Environment": {}, **container}
