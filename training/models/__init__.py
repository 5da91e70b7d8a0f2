from training.models.base_models import BaseModel, ModelBuild
from training.models.datasets import Dataset, DatasetFormat
from training.models.jobs import Method, Stage, TrainingJob
from training.models.nodes import Node, NodeSample, Slot
from training.models.registry import Deployment, ModelVersion
from training.models.story import (
    CurveBlock,
    HardwareSample,
    LogChunk,
    Metric,
    Note,
    NoteKind,
    Sample,
)
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
    "CurveBlock",
    "Dataset",
    "DatasetFormat",
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
    "Note",
    "NoteKind",
    "Reason",
    "Sample",
    "Slot",
    "Stage",
    "Status",
    "TrainingJob",
    "Transition",
    "Workload",
]
