"""`/chat/`."""

from django.urls import include, path

from chat.views import bases, chats, deleted, folders, organising

app_name = "chat"
urlpatterns = [
    path("", chats.index, name="index"),
    path("knowledge/", bases.offered, name="bases-offered"),
    path("attachments/", include("chat.attachment_urls")),
    path("imports/", include("chat.import_urls")),
    path("", include("chat.share_urls")),
    path("<uuid:session_id>/", chats.session, name="session"),
    path("<uuid:session_id>/messages/", chats.ask, name="ask"),
    path("<uuid:session_id>/stop/", chats.stop, name="stop"),
    path("<uuid:session_id>/settings/", chats.settings, name="settings"),
    path("<uuid:session_id>/knowledge/", bases.choose, name="bases"),
    path("<uuid:session_id>/model/", chats.choose_model, name="model"),
    path("<uuid:session_id>/title/", organising.rename, name="rename"),
    path("<uuid:session_id>/pin/", organising.pin, name="pin"),
    path("<uuid:session_id>/actions/", organising.actions, name="actions"),
    path("<uuid:session_id>/delete/", organising.delete, name="delete"),
    path("<uuid:session_id>/archive/", organising.archive, name="archive"),
    path("<uuid:session_id>/unarchive/", organising.unarchive, name="unarchive"),
    path("<uuid:session_id>/folder/", organising.move, name="move"),
    path("<uuid:session_id>/export/", chats.export, name="export"),
    path("<uuid:session_id>/messages/<uuid:message_id>/again/", chats.again, name="again"),
    path("<uuid:session_id>/messages/<uuid:message_id>/continue/", chats.go_on, name="continue"),
    path("<uuid:session_id>/messages/<uuid:message_id>/edit/", chats.edit, name="edit"),
    path("<uuid:session_id>/messages/<uuid:message_id>/show/", chats.show, name="show"),
    path("folders/", folders.create, name="folders"),
    path("folders/<int:folder_id>/", folders.rename, name="folder"),
    path("folders/<int:folder_id>/chats/", folders.chats, name="folder-chats"),
    path("folders/<int:folder_id>/delete/", folders.delete, name="folder-delete"),
    path("deleted/", deleted.index, name="deleted"),
    path("deleted/empty/", deleted.empty, name="deleted-empty"),
    path("deleted/<uuid:session_id>/restore/", deleted.restore, name="restore"),
    path("deleted/<uuid:session_id>/purge/", deleted.purge, name="purge"),
]
