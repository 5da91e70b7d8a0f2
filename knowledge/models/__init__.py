"""What the platform knows: bases of documents, cut into chunks, indexed in spaces."""

from knowledge.models.bases import TOP_K_MAX, Base, BaseQuerySet, SearchMode, Source
from knowledge.models.documents import (
    OPEN,
    Change,
    Chunk,
    Document,
    DocumentQuerySet,
    DocumentStatus,
    Stage,
)
from knowledge.models.questions import Assessment, AssessmentStatus, Question
from knowledge.models.spaces import Space, SpaceStatus, Vector

__all__ = [
    "OPEN",
    "TOP_K_MAX",
    "Assessment",
    "AssessmentStatus",
    "Base",
    "BaseQuerySet",
    "Change",
    "Chunk",
    "Document",
    "DocumentQuerySet",
    "DocumentStatus",
    "Question",
    "SearchMode",
    "Source",
    "Space",
    "SpaceStatus",
    "Stage",
    "Vector",
]
