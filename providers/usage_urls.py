"""`/usage/`."""

from django.urls import path

from providers import usage_views

urlpatterns = [
    path("", usage_views.index, name="usage"),
    path("groups.csv", usage_views.groups_csv, name="usage-groups"),
    path("calls.csv", usage_views.calls_csv, name="usage-calls"),
]
