from training.admin.assets import (
    BaseModelAdmin,
    DatasetAdmin,
    LabelWaiverAdmin,
    ModelVersionAdmin,
)
from training.admin.nodes import NodeAdmin
from training.admin.results import EvaluationAdmin, ModelExportAdmin, ParityCheckAdmin
from training.admin.sharing import GpuQuotaAdmin, SharingSettingsAdmin
from training.admin.sweeps import SweepAdmin
from training.admin.workloads import (
    DeploymentAdmin,
    ModelBuildAdmin,
    ModelFetchAdmin,
    TrainingJobAdmin,
)

__all__ = [
    "BaseModelAdmin",
    "DatasetAdmin",
    "DeploymentAdmin",
    "EvaluationAdmin",
    "GpuQuotaAdmin",
    "LabelWaiverAdmin",
    "ModelBuildAdmin",
    "ModelExportAdmin",
    "ModelFetchAdmin",
    "ModelVersionAdmin",
    "NodeAdmin",
    "ParityCheckAdmin",
    "SharingSettingsAdmin",
    "SweepAdmin",
    "TrainingJobAdmin",
]
