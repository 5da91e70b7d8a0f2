from training.models.base_models import BaseModel, ModelBuild
from training.models.dataset_work import (
    DatasetStatistics,
    DatasetUpload,
    DatasetWork,
    WorkKind,
    WorkStatus,
)
from training.models.datasets import Dataset, DatasetFormat
from training.models.jobs import Method, Stage, TrainingJob
from training.models.nodes import Node, NodeSample, Slot
from training.models.registry import Deployment, ModelVersion
from training.models.story import HardwareSample, LogChunk, Metric
from training.models.workloads import (
    LEASE,
    Desired,
    Kind,
    Reason,
    Status,
    Transition,
    Workload,
)

__all__ = [
    "LEASE",
    "BaseModel",
    "Dataset",
    "DatasetFormat",
    "DatasetStatistics",
    "DatasetUpload",
    "DatasetWork",
    "Deployment",
    "Desired",
    "HardwareSample",
    "Kind",
    "LogChunk",
    "Method",
    "Metric",
    "ModelBuild",
    "ModelVersion",
    "Node",
    "NodeSample",
    "Reason",
    "Slot",
    "Stage",
    "Status",
    "TrainingJob",
    "Transition",
    "WorkKind",
    "WorkStatus",
    "Workload",
]
