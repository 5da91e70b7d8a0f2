from training.admin.assets import (
    BaseModelAdmin,
    DatasetAdmin,
    LabelWaiverAdmin,
    ModelVersionAdmin,
)
from training.admin.nodes import NodeAdmin
from training.admin.workloads import DeploymentAdmin, ModelBuildAdmin, TrainingJobAdmin

__all__ = [
    "BaseModelAdmin",
    "DatasetAdmin",
    "DeploymentAdmin",
    "LabelWaiverAdmin",
    "ModelBuildAdmin",
    "ModelVersionAdmin",
    "NodeAdmin",
    "TrainingJobAdmin",
]
