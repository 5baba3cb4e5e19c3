"""SageMaker: jobs that run, models, the registry and endpoints, one module per family.

`operations(world)` is what `app` mounts; operations that are not here fall through or are refused by `app`.
"""

from __future__ import annotations

from local_aws import services
from local_aws.sagemaker.model_packages import ModelPackages
from local_aws.sagemaker.models import Models
from local_aws.sagemaker.processing import ProcessingJobs
from local_aws.sagemaker.tags import Tags
from local_aws.sagemaker.training import TrainingJobs
from local_aws.service import Operations
from local_aws.world import World


def operations(world: World) -> Operations:
    """Every SageMaker operation that this local AWS carries out itself."""
    # Imported here: they use modules of this package, whichever is imported first.
    from local_aws import monitoring
    from local_aws.hosting import service as hosting
    from local_aws.transform.jobs import TransformJobs

    shared = services.of(world)
    tag_store = Tags()
    models = Models(shared, tag_store)
    return {
        **tag_store.operations(),
        **TrainingJobs(shared, tag_store).operations(),
        **ProcessingJobs(shared, tag_store).operations(),
        **models.operations(),
        **ModelPackages(shared, tag_store).operations(),
        **hosting.operations(shared, tag_store, models),
        **TransformJobs(shared, tag_store, models).operations(),
        **monitoring.operations(shared, tag_store),
    }
