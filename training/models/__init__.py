from training.models.base_models import BaseModel, Hub, HubToken, ModelBuild, ModelFetch
from training.models.dataset_work import (
    DatasetStatistics,
    DatasetUpload,
    DatasetWork,
    WorkKind,
    WorkStatus,
)
from training.models.datasets import Dataset, DatasetFormat
from training.models.drafts import DatasetDraft
from training.models.evaluations import (
    Evaluation,
    EvaluationPlan,
    EvaluationSample,
    HeldOut,
    JudgeState,
    Outcome,
)
from training.models.exports import ExportFormat, ModelExport
from training.models.families import ModelFamily
from training.models.forecasts import Forecast
from training.models.groups import JobTemplate, Sweep
from training.models.jobs import Method, MirrorState, Stage, Strategy, TrainingJob
from training.models.nodes import Node, NodeSample, Slot
from training.models.parity import ParityCheck
from training.models.registry import Deployment, Engine, Label, LabelMove, LabelWaiver, ModelVersion
from training.models.sharing import GpuQuota, Member, SharingSettings, SlotUse
from training.models.story import (
    CurveBlock,
    HardwareSample,
    LogChunk,
    Metric,
    Note,
    NoteKind,
    Sample,
)
from training.models.withdrawals import WithdrawnRecord
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
    "DatasetDraft",
    "DatasetFormat",
    "DatasetStatistics",
    "DatasetUpload",
    "DatasetWork",
    "Deployment",
    "Desired",
    "Engine",
    "Evaluation",
    "EvaluationPlan",
    "EvaluationSample",
    "ExportFormat",
    "Forecast",
    "GpuQuota",
    "HardwareSample",
    "HeldOut",
    "Hub",
    "HubToken",
    "JobTemplate",
    "JudgeState",
    "Kind",
    "Label",
    "LabelMove",
    "LabelWaiver",
    "LogChunk",
    "Member",
    "Method",
    "Metric",
    "MirrorState",
    "ModelBuild",
    "ModelExport",
    "ModelFamily",
    "ModelFetch",
    "ModelVersion",
    "Node",
    "NodeSample",
    "Note",
    "NoteKind",
    "Outcome",
    "ParityCheck",
    "Reason",
    "Sample",
    "SharingSettings",
    "Slot",
    "SlotUse",
    "Stage",
    "Status",
    "Strategy",
    "Sweep",
    "TrainingJob",
    "Transition",
    "WithdrawnRecord",
    "WorkKind",
    "WorkStatus",
    "Workload",
]
