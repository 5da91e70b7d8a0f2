"""`/prompts/`."""

from django.urls import path

from prompts import views

app_name = "prompts"
urlpatterns = [
    path("", views.index, name="list"),
    path("new/", views.create, name="create"),
    path("<int:prompt_id>/", views.detail, name="detail"),
    path("<int:prompt_id>/use/", views.use, name="use"),
    path("<int:prompt_id>/edit/", views.edit, name="edit"),
    path("<int:prompt_id>/copy/", views.copy, name="copy"),
    path("<int:prompt_id>/delete/", views.delete, name="delete"),
]
