"""The pages that notices point to, for processes without pages: for a link neither console nor API
has to be loaded."""

from django.urls import include, path

urlpatterns = [
    path("training/", include("training.urls")),
    path("models/", include("training.model_urls")),
    path("datasets/", include("training.dataset_urls")),
]
