"""`/nodes/`."""

from django.urls import path

from training.views import nodes

app_name = "nodes"
urlpatterns = [
    path("", nodes.index, name="list"),
    path("<int:node_id>/drain/", nodes.drain, {"draining": True}, name="drain"),
    path("<int:node_id>/undrain/", nodes.drain, {"draining": False}, name="undrain"),
]
