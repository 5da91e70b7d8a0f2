"""Socket routes of all apps."""

from typing import Any

from django.urls import path

from chat.comparison_consumers import CompareConsumer
from chat.consumers import ChatConsumer
from training.consumers import TrainingConsumer

websocket_urlpatterns: list[Any] = [
    path("ws/chat/<uuid:session_id>/", ChatConsumer.as_asgi()),
    path("ws/compare/<uuid:comparison_id>/", CompareConsumer.as_asgi()),
    path("ws/training/<uuid:job_id>/", TrainingConsumer.as_asgi()),
]
