"""API: `prompts`."""

from prompts.api import history
from prompts.api.library import router

router.add_router("", history.router)

__all__ = ["router"]
