"""`/datasets/`."""

from django.urls import path

from training.views import dataset_changes as changes
from training.views import dataset_facts as facts
from training.views import dataset_reports, drafts, tokens
from training.views import datasets as views

app_name = "datasets"
urlpatterns = [
    path("", views.index, name="list"),
    path("new/", views.upload, name="upload"),
    path("drafts/<uuid:draft_id>/", drafts.mapping, name="mapping"),
    path("drafts/<uuid:draft_id>/discard/", drafts.discard, name="discard"),
    path("<int:dataset_id>/", views.detail, name="detail"),
    path("<int:dataset_id>/records/", views.records, name="records"),
    path("<int:dataset_id>/report/", dataset_reports.report, name="report"),
    path("<int:dataset_id>/report.csv", dataset_reports.report_csv, name="report-csv"),
    path("<int:dataset_id>/tokens/", tokens.tokens, name="tokens"),
    path("<int:dataset_id>/fill/", views.fill, name="fill"),
    path("<int:dataset_id>/download/", views.download, name="download"),
    path("<int:dataset_id>/pictures/<str:name>", views.picture, name="picture"),
    path("<int:dataset_id>/search/", facts.search, name="search"),
    path("<int:dataset_id>/record/", changes.record, name="record"),
    path("<int:dataset_id>/exclude/", changes.exclude, name="exclude"),
    path("<int:dataset_id>/change/", changes.change, name="change"),
    path("<int:dataset_id>/append/", changes.append, name="append"),
    path("<int:dataset_id>/split/", changes.split, name="split"),
    path("<int:dataset_id>/restore/", changes.restore, name="restore"),
    path("<int:dataset_id>/versions/", facts.versions, name="versions"),
    path("<int:dataset_id>/statistics/", facts.statistics, name="statistics"),
    path("<int:dataset_id>/export/", facts.export, name="export"),
    path("<int:dataset_id>/delete/", facts.delete, name="delete"),
    path("mix/", changes.mix, name="mix"),
    path("work/<uuid:work_id>/", changes.work, name="work"),
    path("work/<uuid:work_id>/cancel/", changes.cancel, name="cancel"),
    path("uploads/<uuid:upload_id>/remove/", changes.remove_upload, name="remove-upload"),
]
