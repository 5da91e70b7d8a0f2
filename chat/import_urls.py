"""`/chat/imports/`."""

from django.urls import path

from chat.views import imports as views

urlpatterns = [
    path("", views.index, name="imports"),
    path("<uuid:import_id>/", views.detail, name="import"),
    path("<uuid:import_id>/start/", views.start, name="start-import"),
    path("<uuid:import_id>/discard/", views.discard, name="discard-import"),
]
