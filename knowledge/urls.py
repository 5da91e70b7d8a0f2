"""`/knowledge/`."""

from django.urls import path

from knowledge.views import dify, documents, library, trying

app_name = "knowledge"
urlpatterns = [
    path("", library.index, name="list"),
    path("new/", library.create, name="create"),
    path("dify/", dify.connect, name="dify"),
    path("questions.csv", trying.sample, name="questions-sample"),
    path("<int:base_id>/", documents.index, name="detail"),
    path("<int:base_id>/add/", documents.add, name="add"),
    path("<int:base_id>/retry/", documents.retry_failed, name="retry-failed"),
    path("<int:base_id>/settings/", library.settings, name="settings"),
    path("<int:base_id>/preview/", library.preview, name="preview"),
    path("<int:base_id>/rebuild/", library.rebuild, name="rebuild"),
    path("<int:base_id>/indexes/<uuid:space_id>/use/", library.use_index, name="use-index"),
    path("<int:base_id>/delete/", library.delete, name="delete"),
    path("<int:base_id>/try/", trying.search, name="try"),
    path("<int:base_id>/quality/", trying.quality, name="quality"),
    path("<int:base_id>/quality/assess/", trying.assess, name="assess"),
    path("<int:base_id>/quality/forget/", trying.forget_questions, name="forget-questions"),
    path("documents/<int:document_id>/", documents.detail, name="document"),
    path("documents/<int:document_id>/page.png", documents.picture, name="page"),
    path("documents/<int:document_id>/file/", documents.file, name="file"),
    path("documents/<int:document_id>/retry/", documents.retry, name="retry"),
    path("documents/<int:document_id>/switch/", documents.switch, name="switch"),
    path("documents/<int:document_id>/metadata/", documents.describe, name="describe"),
    path("documents/<int:document_id>/passage/", documents.passage, name="passage"),
    path("documents/<int:document_id>/delete/", documents.delete, name="delete-document"),
]
