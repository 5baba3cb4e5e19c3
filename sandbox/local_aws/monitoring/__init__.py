"""SageMaker Model Monitor: job definitions, monitoring schedules, and executions that are real processing jobs.

AWS closed it to new accounts, so it is closed here too until the setting `monitoring.open` is 1. `definitions` and `schedules` are the API;
`expression`, `plan`, `job` and `merge` are pure: when a schedule is due, what it runs, the processing job of a window, and the join
with ground truth; `runner` starts what is due.
"""

from __future__ import annotations

from local_aws.monitoring.definitions import Definitions
from local_aws.monitoring.schedules import Schedules
from local_aws.sagemaker.tags import Tags
from local_aws.service import Operations
from local_aws.services import Services

SETTINGS = {"monitoring.open": 0.0, "monitoring.creatingSeconds": 0.05, "monitoring.delaySeconds": 60.0}
"""`open` 1: an account that has Model Monitor. `delaySeconds`: how long after the hour an execution starts (up to 20 minutes on AWS)."""


def operations(services: Services, tag_store: Tags) -> Operations:
    """Every operation of Model Monitor."""
    for name, value in SETTINGS.items():
        services.world.settings.setdefault(name, value)
    definitions = Definitions(services, tag_store)
    schedules = Schedules(services, tag_store, definitions)
    services.world.on_close(schedules.close)
    return {**definitions.operations(), **schedules.operations()}
