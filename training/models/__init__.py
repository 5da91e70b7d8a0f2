from training.models.base_models import BaseModel, ModelBuild
from training.models.datasets import Dataset, DatasetFormat
from training.models.drafts import DatasetDraft
from training.models.evaluations import (
    Evaluation,
    EvaluationSample,
    HeldOut,
    JudgeState,
    Outcome,
)
from training.models.forecasts import Forecast
from training.models.jobs import Method, Stage, TrainingJob
from training.models.nodes import Node, NodeSample, Slot
from training.models.parity import ParityCheck
from training.models.registry import Deployment, Engine, ModelVersion
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
    "DatasetDraft",
    "DatasetFormat",
    "Deployment",
    "Desired",
    "Engine",
    "Evaluation",
    "EvaluationSample",
    "Forecast",
    "HardwareSample",
    "HeldOut",
    "JudgeState",
    "Kind",
    "LogChunk",
    "Method",
    "Metric",
    "ModelBuild",
    "ModelVersion",
    "Node",
    "NodeSample",
    "Outcome",
    "ParityCheck",
    "Reason",
    "Slot",
    "Stage",
    "Status",
    "TrainingJob",
    "Transition",
    "Workload",
]
