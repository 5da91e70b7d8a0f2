"""The ASGI application: static files, sockets, the gateway, and Django for everything else."""

import gc
import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")

import django
from asgiref.sync import sync_to_async

from llmplatform.left_out import left_out

# Importing makes much and leaves nothing: the collector would take a sixth of the start for that.
gc.disable()
with left_out():
    django.setup(set_prefix=False)

from channels.auth import AuthMiddlewareStack  # noqa: E402
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from django.conf import settings  # noqa: E402
from django.urls import get_resolver  # noqa: E402
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware  # noqa: E402

import llmplatform.celery  # noqa: E402, F401  # else whoever starts the first training waits
from chat.generation import generator  # noqa: E402
from knowledge.following import follow as follow_index  # noqa: E402
from llmplatform.bodies import with_limited_bodies  # noqa: E402
from llmplatform.garbage import look_now_and_then, settle  # noqa: E402
from llmplatform.handlers import OneThreadHandler  # noqa: E402
from llmplatform.lifespan import Lifespan  # noqa: E402
from llmplatform.origins import SocketOrigins  # noqa: E402
from llmplatform.routing import websocket_urlpatterns  # noqa: E402
from llmplatform.serving import with_static  # noqa: E402
from providers.gateway.app import gateway  # noqa: E402
from providers.gateway.spool import replay  # noqa: E402

django_application = OneThreadHandler()
# The gateway does not ask where a request comes from.
_TRUSTED = settings.FORWARDED_ALLOW_IPS
_all_else = ProtocolTypeRouter(
    {
        "http": ProxyHeadersMiddleware(
            with_static(with_limited_bodies(django_application)), _TRUSTED
        ),
        "websocket": ProxyHeadersMiddleware(
            SocketOrigins(AuthMiddlewareStack(URLRouter(websocket_urlpatterns))), _TRUSTED
        ),
        "lifespan": Lifespan(
            sync_to_async(generator.shut_down, thread_sensitive=False),
            gateway.shut_down,
            begins=[replay, look_now_and_then, follow_index],
        ),
    }
)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """The gateway is beside Django: its calls pay for no middleware."""
    path = scope.get("path", "")
    is_call = scope["type"] == "http" and (path.startswith("/v1/") or path == "/v1")
    await (gateway if is_call else _all_else)(scope, receive, send)


# Every page is imported now, and not while the first visitor waits for it.
get_resolver().url_patterns  # noqa: B018  # reading it imports them
settle()
