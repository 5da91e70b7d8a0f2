"""`/training/`."""

from django.urls import path

from training.views import jobs, watching

app_name = "training"
urlpatterns = [
    path("", jobs.index, name="list"),
    path("new/", jobs.create, name="create"),
    path("preview/", jobs.show_preview, name="preview"),
    path("compare/", watching.compare, name="compare"),
    path("<uuid:job_id>/keep-best/", watching.keep_best, name="keep-best"),
    path("<uuid:job_id>/", jobs.detail, name="detail"),
    path("<uuid:job_id>/report/", jobs.report, name="report"),
    path("<uuid:job_id>/delete/", jobs.delete, name="delete"),
    path("<uuid:job_id>/start/", jobs.act, {"verb": "start"}, name="start"),
    path("<uuid:job_id>/pause/", jobs.act, {"verb": "pause"}, name="pause"),
    path("<uuid:job_id>/resume/", jobs.act, {"verb": "resume"}, name="resume"),
    path("<uuid:job_id>/stop/", jobs.act, {"verb": "stop"}, name="stop"),
]
