"""`/training/`."""

from django.urls import path

from training.views import boards, evaluations, groups, job_form, jobs, watching

app_name = "training"
urlpatterns = [
    path("", jobs.index, name="list"),
    path("new/", job_form.create, name="create"),
    path("new/import/", job_form.import_yaml, name="import"),
    path("preview/", job_form.show_preview, name="preview"),
    path("templates/", groups.template_list, name="templates"),
    path("templates/save/", job_form.save_template, name="template-save"),
    path("templates/<int:template_id>/", groups.change_template, name="template-change"),
    path("templates/<int:template_id>/delete/", groups.delete_template, name="template-delete"),
    path("sweeps/", groups.sweep_list, name="sweeps"),
    path("sweeps/<uuid:sweep_id>/", groups.sweep_detail, name="sweep"),
    path("sweeps/<uuid:sweep_id>/stop/", groups.stop_sweep, name="sweep-stop"),
    path("compare/", watching.compare, name="compare"),
    path("<uuid:job_id>/keep-best/", watching.keep_best, name="keep-best"),
    path("<uuid:job_id>/", jobs.detail, name="detail"),
    path("<uuid:job_id>/report/", jobs.report, name="report"),
    path("<uuid:job_id>/swanlab/", boards.board, name="board"),
    path("<uuid:job_id>/swanlab/<path:rest>", boards.board, name="board-part"),
    path("<uuid:job_id>/yaml/", jobs.export_yaml, name="yaml"),
    path("<uuid:job_id>/delete/", jobs.delete, name="delete"),
    path("<uuid:job_id>/evaluation/", evaluations.after, name="evaluate-after"),
    path("<uuid:job_id>/start/", jobs.act, {"verb": "start"}, name="start"),
    path("<uuid:job_id>/pause/", jobs.act, {"verb": "pause"}, name="pause"),
    path("<uuid:job_id>/resume/", jobs.act, {"verb": "resume"}, name="resume"),
    path("<uuid:job_id>/stop/", jobs.act, {"verb": "stop"}, name="stop"),
]
