"""API: `training/*`."""

from training.api.datasets import datasets_router
from training.api.drafts import drafts_router
from training.api.groups import groups_router
from training.api.jobs import jobs_router
from training.api.registry import base_models_router, versions_router

__all__ = [
    "base_models_router",
    "datasets_router",
    "drafts_router",
    "groups_router",
    "jobs_router",
    "versions_router",
]
