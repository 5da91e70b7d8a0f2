"""The pages that a process without pages writes links to (notices do), by their addresses alone:
the pages themselves would be half of its memory. A test holds them against the true ones."""

from django.http import HttpRequest, HttpResponse, HttpResponseNotFound
from django.urls import include, path


def elsewhere(request: HttpRequest, **values: object) -> HttpResponse:
    return HttpResponseNotFound()


_training = [path("<uuid:job_id>/", elsewhere, name="detail")]

_batches = [path("<uuid:batch_id>/", elsewhere, name="detail")]

urlpatterns = [
    path("training/", include((_training, "training"))),
    path("compare/batches/", include((_batches, "batches"))),
]
