from training.admin.assets import (
    BaseModelAdmin,
    DatasetAdmin,
    LabelWaiverAdmin,
    ModelVersionAdmin,
)
from training.admin.nodes import NodeAdmin
from training.admin.sharing import GpuQuotaAdmin, SharingSettingsAdmin
from training.admin.workloads import DeploymentAdmin, ModelBuildAdmin, TrainingJobAdmin

__all__ = [
    "BaseModelAdmin",
    "DatasetAdmin",
    "DeploymentAdmin",
    "GpuQuotaAdmin",
    "LabelWaiverAdmin",
    "ModelBuildAdmin",
    "ModelVersionAdmin",
    "NodeAdmin",
    "SharingSettingsAdmin",
    "TrainingJobAdmin",
]
