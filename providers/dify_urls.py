"""`/dify/`."""

from django.urls import path

from providers import dify_views

app_name = "dify"
urlpatterns = [
    path("", dify_views.index, name="list"),
    path("new/", dify_views.create, name="create"),
    path("<int:provider_id>/", dify_views.detail, name="detail"),
    path("<int:provider_id>/edit/", dify_views.edit, name="edit"),
    path("<int:provider_id>/run/", dify_views.run, name="run"),
    path("<int:provider_id>/inputs/", dify_views.save_inputs, name="inputs"),
    path("<int:provider_id>/feedback/", dify_views.feedback, name="feedback"),
    path("<int:provider_id>/test/", dify_views.test, name="test"),
    path("<int:provider_id>/delete/", dify_views.delete, name="delete"),
]
