"""`/compare/batches/`."""

from django.urls import path

from chat.views import batch_results, batches

app_name = "batches"
urlpatterns = [
    path("", batches.index, name="list"),
    path("new/", batches.create, name="create"),
    path("<uuid:batch_id>/", batch_results.detail, name="detail"),
    path("<uuid:batch_id>/start/", batches.start, name="start"),
    path("<uuid:batch_id>/pause/", batches.pause, name="pause"),
    path("<uuid:batch_id>/resume/", batches.resume, name="resume"),
    path("<uuid:batch_id>/cancel/", batches.cancel, name="cancel"),
    path("<uuid:batch_id>/retry/", batches.retry, name="retry"),
    path("<uuid:batch_id>/delete/", batches.delete, name="delete"),
    path("<uuid:batch_id>/export/", batch_results.export, name="export"),
    path("<uuid:batch_id>/regressions/", batch_results.regressions, name="regressions"),
    path("<uuid:batch_id>/prompts/<int:prompt_id>/", batch_results.prompt, name="prompt"),
]
