"""Every URL of the platform; `/v1/` and `/ws/` are beside Django in asgi.py."""

from django.contrib import admin
from django.urls import include, path

from llmplatform import health, metrics, views
from llmplatform.api import api

urlpatterns = [
    path("", views.home, name="home"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", metrics.metrics, name="metrics"),
    path("demo/", include("llmplatform.demo_views")),
    path("palette/", views.palette, name="palette"),
    path("design/", include("llmplatform.design")),
    path("language/", views.set_language, name="set-language"),
    path("theme/", views.set_theme, name="set-theme"),
    path("accounts/", include("accounts.urls")),
    path("providers/", include("providers.urls")),
    path("dify/", include("providers.dify_urls")),
    path("usage/", include("providers.usage_urls")),
    path("datasets/", include("training.dataset_urls")),
    path("training/", include("training.urls")),
    path("models/", include("training.model_urls")),
    path("queue/", include("training.queue_urls")),
    path("nodes/", include("training.node_urls")),
    path("chat/", include("chat.urls")),
    path("compare/batches/", include("chat.batches.urls")),
    path("feedback/", include("chat.feedback_urls")),
    path("compare/", include("chat.comparison_urls")),
    path("prompts/", include("prompts.urls")),
    path("knowledge/", include("knowledge.urls")),
    path("api/v1/", api.urls),
    path("admin/", admin.site.urls),
]
