"""`/accounts/`."""

from django.urls import path

from accounts import notice_views, views

app_name = "accounts"
urlpatterns = [
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("register/", views.register, name="register"),
    path("profile/", views.profile, name="profile"),
    path("password/", views.change_password, name="password"),
    path("notices/", notice_views.index, name="notices"),
    path("notices/bell/", notice_views.bell, name="bell"),
    path("notices/read/", notice_views.read_all, name="notices-read"),
    path("notices/<int:notice_id>/", notice_views.show, name="notice"),
    path("notices/channels/", notice_views.channels, name="channels"),
    path("notices/channels/<int:channel_id>/", notice_views.edit_channel, name="channel"),
    path("notices/channels/<int:channel_id>/test/", notice_views.test_channel, name="channel-test"),
    path(
        "notices/channels/<int:channel_id>/delete/",
        notice_views.delete_channel,
        name="channel-delete",
    ),
    path("keys/", views.keys, name="key-list"),
    path("keys/<int:key_id>/", views.edit_key, name="key-edit"),
    path("keys/<int:key_id>/revoke/", views.revoke_key, name="key-revoke"),
]
