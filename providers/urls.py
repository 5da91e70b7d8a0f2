"""`/providers/`."""

from django.urls import path

from providers import alias_views, price_views, views

app_name = "providers"
urlpatterns = [
    path("", views.index, name="list"),
    path("new/", views.choose, name="choose"),
    path("new/<slug:slug>/", views.create, name="create"),
    path("prices/", price_views.index, name="prices"),
    path("prices/new/", price_views.create, name="new-price"),
    path("prices/refresh/", price_views.refresh, name="refresh-prices"),
    path("prices/<int:price_id>/", price_views.edit, name="price"),
    path("prices/<int:price_id>/remove/", price_views.remove, name="remove-table-price"),
    path("aliases/", alias_views.index, name="alias-list"),
    path("aliases/new/", alias_views.create, name="create-alias"),
    path("aliases/hint/", alias_views.hint, name="alias-hint"),
    path("aliases/<int:alias_id>/", alias_views.detail, name="alias"),
    path("aliases/<int:alias_id>/edit/", alias_views.edit, name="edit-alias"),
    path("aliases/<int:alias_id>/models/", alias_views.change_models, name="alias-models"),
    path("aliases/<int:alias_id>/toggle/", alias_views.toggle, name="toggle-alias"),
    path("aliases/<int:alias_id>/delete/", alias_views.delete, name="delete-alias"),
    path("aliases/<int:alias_id>/try/", alias_views.try_all, name="try-alias"),
    path("<int:provider_id>/", views.detail, name="detail"),
    path("<int:provider_id>/edit/", views.edit, name="edit"),
    path("<int:provider_id>/test/", views.test, name="test"),
    path("<int:provider_id>/refresh/", views.refresh, name="refresh"),
    path("<int:provider_id>/refresh/apply/", views.apply_refresh, name="apply-refresh"),
    path("<int:provider_id>/refresh/undo/", views.undo, name="undo-refresh"),
    path("<int:provider_id>/toggle/", views.toggle, name="toggle"),
    path("<int:provider_id>/delete/", views.delete, name="delete"),
    path("<int:provider_id>/models/", views.add_model, name="add-model"),
    path("<int:provider_id>/models/<int:model_id>/", views.edit_model, name="model"),
    path("<int:provider_id>/models/<int:model_id>/prices/", views.set_price, name="set-price"),
    path(
        "<int:provider_id>/models/<int:model_id>/prices/<int:price_id>/remove/",
        views.remove_price,
        name="remove-price",
    ),
]
