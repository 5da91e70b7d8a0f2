"""`/prompts/`."""

from django.urls import path

from prompts.views import history, library, transfer, use

app_name = "prompts"
urlpatterns = [
    path("", library.index, name="list"),
    path("new/", library.create, name="create"),
    path("places/", library.places, name="places"),
    path("picker/", use.picker, name="picker"),
    path("import/", transfer.import_file, name="import"),
    path("export/", transfer.export, name="export"),
    path("<int:prompt_id>/", use.detail, name="detail"),
    path("<int:prompt_id>/use/", use.use, name="use"),
    path("<int:prompt_id>/fill/", use.fill, name="fill"),
    path("<int:prompt_id>/edit/", library.edit, name="edit"),
    path("<int:prompt_id>/copy/", library.copy, name="copy"),
    path("<int:prompt_id>/favourite/", library.favourite, name="favourite"),
    path("<int:prompt_id>/delete/", library.delete, name="delete"),
    path("<int:prompt_id>/export/", transfer.export_one, name="export-one"),
    path("<int:prompt_id>/versions/", history.history, name="history"),
    path("<int:prompt_id>/versions/<int:number>/restore/", history.restore, name="restore"),
    path("<int:prompt_id>/labels/", history.label, name="label"),
    path("<int:prompt_id>/labels/remove/", history.unlabel, name="unlabel"),
    path("<int:prompt_id>/statistics/", history.statistics, name="statistics"),
]
