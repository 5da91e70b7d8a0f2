"""`/datasets/`."""

from django.urls import path

from training.views import datasets as views
from training.views import drafts

app_name = "datasets"
urlpatterns = [
    path("", views.index, name="list"),
    path("new/", views.upload, name="upload"),
    path("drafts/<uuid:draft_id>/", drafts.mapping, name="mapping"),
    path("drafts/<uuid:draft_id>/discard/", drafts.discard, name="discard"),
    path("<int:dataset_id>/", views.detail, name="detail"),
    path("<int:dataset_id>/records/", views.records, name="records"),
    path("<int:dataset_id>/fill/", views.fill, name="fill"),
    path("<int:dataset_id>/download/", views.download, name="download"),
    path("<int:dataset_id>/delete/", views.delete, name="delete"),
]
