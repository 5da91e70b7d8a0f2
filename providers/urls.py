"""`/providers/`."""

from django.urls import path

from providers import views

app_name = "providers"
urlpatterns = [
    path("", views.index, name="list"),
    path("new/", views.choose, name="choose"),
    path("new/<slug:slug>/", views.create, name="create"),
    path("<int:provider_id>/", views.detail, name="detail"),
    path("<int:provider_id>/edit/", views.edit, name="edit"),
    path("<int:provider_id>/test/", views.test, name="test"),
    path("<int:provider_id>/refresh/", views.refresh, name="refresh"),
    path("<int:provider_id>/refresh/apply/", views.apply_refresh, name="apply-refresh"),
    path("<int:provider_id>/toggle/", views.toggle, name="toggle"),
    path("<int:provider_id>/delete/", views.delete, name="delete"),
    path("<int:provider_id>/models/<int:model_id>/", views.edit_model, name="model"),
]
