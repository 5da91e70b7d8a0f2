"""`/chat/`."""

from django.urls import include, path

from chat.views import chats

app_name = "chat"
urlpatterns = [
    path("", chats.index, name="index"),
    path("attachments/", include("chat.attachment_urls")),
    path("imports/", include("chat.import_urls")),
    path("<uuid:session_id>/", chats.session, name="session"),
    path("<uuid:session_id>/messages/", chats.ask, name="ask"),
    path("<uuid:session_id>/stop/", chats.stop, name="stop"),
    path("<uuid:session_id>/settings/", chats.settings, name="settings"),
    path("<uuid:session_id>/model/", chats.choose_model, name="model"),
    path("<uuid:session_id>/title/", chats.rename, name="rename"),
    path("<uuid:session_id>/pin/", chats.pin, name="pin"),
    path("<uuid:session_id>/actions/", chats.actions, name="actions"),
    path("<uuid:session_id>/delete/", chats.delete, name="delete"),
    path("<uuid:session_id>/export/", chats.export, name="export"),
    path("<uuid:session_id>/messages/<uuid:message_id>/again/", chats.again, name="again"),
    path("<uuid:session_id>/messages/<uuid:message_id>/continue/", chats.go_on, name="continue"),
    path("<uuid:session_id>/messages/<uuid:message_id>/edit/", chats.edit, name="edit"),
    path("<uuid:session_id>/messages/<uuid:message_id>/show/", chats.show, name="show"),
]
