"""`/chat/`."""

from django.urls import path

from chat import views

app_name = "chat"
urlpatterns = [
    path("", views.index, name="index"),
    path("<uuid:session_id>/", views.session, name="session"),
    path("<uuid:session_id>/messages/", views.ask, name="ask"),
    path("<uuid:session_id>/stop/", views.stop, name="stop"),
    path("<uuid:session_id>/settings/", views.settings, name="settings"),
    path("<uuid:session_id>/model/", views.choose_model, name="model"),
    path("<uuid:session_id>/title/", views.rename, name="rename"),
    path("<uuid:session_id>/pin/", views.pin, name="pin"),
    path("<uuid:session_id>/actions/", views.actions, name="actions"),
    path("<uuid:session_id>/delete/", views.delete, name="delete"),
    path("<uuid:session_id>/export/", views.export, name="export"),
    path("<uuid:session_id>/messages/<uuid:message_id>/again/", views.again, name="again"),
    path("<uuid:session_id>/messages/<uuid:message_id>/continue/", views.go_on, name="continue"),
    path("<uuid:session_id>/messages/<uuid:message_id>/edit/", views.edit, name="edit"),
    path("<uuid:session_id>/messages/<uuid:message_id>/show/", views.show, name="show"),
]
