from training.admin.assets import BaseModelAdmin, DatasetAdmin, ModelVersionAdmin
from training.admin.nodes import NodeAdmin
from training.admin.workloads import DeploymentAdmin, ModelBuildAdmin, TrainingJobAdmin

__all__ = [
    "BaseModelAdmin",
    "DatasetAdmin",
    "DeploymentAdmin",
    "ModelBuildAdmin",
    "ModelVersionAdmin",
    "NodeAdmin",
    "TrainingJobAdmin",
]
