"""API: `training/*`."""

from training.api.datasets import datasets_router
from training.api.jobs import jobs_router
from training.api.registry import base_models_router, versions_router
from training.api.watching import watching_router

__all__ = [
    "base_models_router",
    "datasets_router",
    "jobs_router",
    "versions_router",
    "watching_router",
]
