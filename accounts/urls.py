"""`/accounts/`."""

from django.urls import path

from accounts import views

app_name = "accounts"
urlpatterns = [
    path("login/", views.sign_in, name="login"),
    path("logout/", views.sign_out, name="logout"),
    path("register/", views.register, name="register"),
    path("profile/", views.profile, name="profile"),
    path("password/", views.change_password, name="password"),
    path("notices/", views.channels, name="channels"),
    path("notices/<int:channel_id>/test/", views.test_channel, name="channel-test"),
    path("notices/<int:channel_id>/delete/", views.delete_channel, name="channel-delete"),
    path("keys/", views.keys, name="key-list"),
    path("keys/<int:key_id>/", views.edit_key, name="key-edit"),
    path("keys/<int:key_id>/revoke/", views.revoke_key, name="key-revoke"),
]
