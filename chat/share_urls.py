"""`/chat/shares/` and `/chat/shared/`: what I share, and what others share with me."""

from django.urls import path

from chat.views import shares as views

urlpatterns = [
    path("shares/", views.index, name="shares"),
    path("shares/<uuid:share_id>/revoke/", views.revoke, name="unshare"),
    path("shared/<uuid:share_id>/", views.read, name="shared"),
    path("shared/<uuid:share_id>/copy/", views.copy, name="copy-shared"),
    path("shared/<uuid:share_id>/files/<uuid:attachment_id>/", views.file, name="shared-file"),
    path("<uuid:session_id>/share/", views.share, name="share"),
    path("<uuid:session_id>/print/", views.printed, name="print"),
]
