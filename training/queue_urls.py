"""`/queue/`."""

from django.urls import path

from training.views import nodes

app_name = "queue"
urlpatterns = [
    path("", nodes.queue, name="list"),
    path("<uuid:workload_id>/priority/", nodes.change_priority, name="priority"),
    path("<uuid:workload_id>/withdraw/", nodes.withdraw, name="withdraw"),
]
