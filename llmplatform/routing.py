"""Socket routes of all apps."""

from typing import Any

from django.urls import path

from chat.consumers import ChatConsumer
from training.consumers import TrainingConsumer

websocket_urlpatterns: list[Any] = [
    path("ws/chat/<uuid:session_id>/", ChatConsumer.as_asgi()),
    path("ws/training/<uuid:job_id>/", TrainingConsumer.as_asgi()),
]
