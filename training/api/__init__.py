"""API: `training/*`."""

from training.api.base_models import base_models_router, hub_tokens_router
from training.api.dataset_uploads import uploads_router, work_router
from training.api.dataset_versions import versions_of_datasets_router
from training.api.datasets import datasets_router
from training.api.deployments import deployments_router
from training.api.drafts import drafts_router
from training.api.evaluations import (
    evaluations_router,
    job_evaluation_router,
    version_evaluations_router,
)
from training.api.exports import exports_router, version_exports_router
from training.api.groups import groups_router
from training.api.jobs import jobs_router
from training.api.labels import labels_router
from training.api.nodes import nodes_router, queue_router
from training.api.registry import versions_router
from training.api.watching import watching_router

__all__ = [
    "base_models_router",
    "datasets_router",
    "deployments_router",
    "drafts_router",
    "evaluations_router",
    "exports_router",
    "groups_router",
    "hub_tokens_router",
    "job_evaluation_router",
    "jobs_router",
    "labels_router",
    "nodes_router",
    "queue_router",
    "uploads_router",
    "version_evaluations_router",
    "version_exports_router",
    "versions_of_datasets_router",
    "versions_router",
    "watching_router",
    "work_router",
]
