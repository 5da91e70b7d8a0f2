"""`/models/`."""

from django.urls import path

from training.views import base_models, deployments, evaluations, exports, labels, registry

app_name = "models"
urlpatterns = [
    path("", registry.index, name="list"),
    path("base/new/", base_models.create, name="create-base"),
    path("base/<int:base_id>/", base_models.detail, name="base"),
    path("base/<int:base_id>/change/", base_models.change, name="change-base"),
    path("base/<int:base_id>/download/", base_models.download, name="download-base"),
    path("base/<int:base_id>/cancel/", base_models.cancel, name="cancel-base"),
    path("base/<int:base_id>/serve/", base_models.serve, name="serve-base"),
    path("base/<int:base_id>/delete/", base_models.delete, name="delete-base"),
    path("tokens/", base_models.tokens, name="tokens"),
    path("<int:version_id>/evaluate/", evaluations.create, name="evaluate"),
    path("deployments/<uuid:deployment_id>/", deployments.detail, name="deployment"),
    path("deployments/<uuid:deployment_id>/log/", deployments.log, name="deployment-log"),
    path("deployments/<uuid:deployment_id>/check/", deployments.check, name="deployment-check"),
    path("deployments/<uuid:deployment_id>/scale/", deployments.scale, name="deployment-scale"),
    path("evaluations/<uuid:evaluation_id>/", evaluations.detail, name="evaluation"),
    path("evaluations/<uuid:evaluation_id>/stop/", evaluations.stop, name="evaluation-stop"),
    path("evaluations/<uuid:evaluation_id>/delete/", evaluations.delete, name="evaluation-delete"),
    path("<int:version_id>/", registry.detail, name="detail"),
    path("<int:version_id>/change/", registry.change, name="change"),
    path("<int:version_id>/archive/", registry.put_away, name="archive"),
    path("<int:version_id>/compare/", registry.compare, name="compare"),
    path("<int:version_id>/label/", labels.move, name="label"),
    path("<int:version_id>/unlabel/", labels.take, name="unlabel"),
    path("<int:version_id>/rollback/", labels.roll_back, name="rollback"),
    path("<int:version_id>/export/", exports.create, name="export"),
    path("exports/<uuid:export_id>/stop/", exports.stop, name="export-stop"),
    path("exports/<uuid:export_id>/delete/", exports.delete, name="export-delete"),
    path("exports/<uuid:export_id>/download/", exports.download, name="export-download"),
    path("exports/<uuid:export_id>/register/", exports.register, name="export-register"),
    path("<int:version_id>/deploy/", registry.deploy, name="deploy"),
    path("<int:version_id>/undeploy/", registry.undeploy, name="undeploy"),
    path("<int:version_id>/download/", registry.download, name="download"),
]
