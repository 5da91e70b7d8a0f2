"""How requests go through Django."""

import re
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.base import BaseHandler

# Views that wait for a model, and hold no thread meanwhile; a test knows that there are no others.
AWAITED = re.compile(r"/api/v1/chat/sessions/[^/]+/messages/?")


class OneThreadHandler(ASGIHandler):
    """Middleware and view in one go, in one thread. Django's own changes threads twice for each
    middleware, some twenty times a request: 2 ms of the processor."""

    def __init__(self) -> None:
        super().__init__()
        self._threaded = BaseHandler()
        self._threaded.load_middleware()

    async def get_response_async(self, request: Any) -> Any:
        if AWAITED.fullmatch(request.path_info):
            return await super().get_response_async(request)
        return await sync_to_async(self._threaded.get_response)(request)
