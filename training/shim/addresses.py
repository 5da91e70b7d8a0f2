"""The pages that notices of a shim point to: of this app alone, so that neither console nor API has
to be loaded for a link."""

from django.urls import include, path

urlpatterns = [
    path("training/", include("training.urls")),
    path("models/", include("training.model_urls")),
    path("datasets/", include("training.dataset_urls")),
]
