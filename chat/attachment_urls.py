"""`/chat/attachments/`."""

from django.urls import path

from chat.views import attachments as views

urlpatterns = [
    path("", views.upload, name="attach"),
    path("<uuid:attachment_id>/", views.content, name="attachment"),
    path("<uuid:attachment_id>/remove/", views.remove, name="detach"),
]
