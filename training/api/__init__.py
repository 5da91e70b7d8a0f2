"""API: `training/*`."""

from training.api.dataset_uploads import uploads_router, work_router
from training.api.dataset_versions import versions_of_datasets_router
from training.api.datasets import datasets_router
from training.api.jobs import jobs_router
from training.api.registry import base_models_router, versions_router

__all__ = [
    "base_models_router",
    "datasets_router",
    "jobs_router",
    "uploads_router",
    "versions_of_datasets_router",
    "versions_router",
    "work_router",
]
