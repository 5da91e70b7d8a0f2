"""`/demo/`: the home page's demo card as a fragment, and its three buttons."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from accounts.access import current_user
from llmplatform import demo
from llmplatform.demo_card import card_of
from training.errors import StateConflict


def _card(request: HttpRequest) -> HttpResponse:
    """The fragment for htmx, the whole home page for everybody else."""
    if not request.headers.get("HX-Request"):
        return redirect("home")
    return render(request, "home/demo.html", {"card": {"demo": card_of(current_user(request))}})


@require_http_methods(["GET", "HEAD", "POST"])
def start(request: HttpRequest) -> HttpResponse:
    """GET: how far it is. POST: begin, or begin again after a failure."""
    if request.method == "POST":
        demo.start_demo(current_user(request), request)
    return _card(request)


@require_POST
def train(request: HttpRequest) -> HttpResponse:
    try:
        demo.start_training(current_user(request), request)
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
        return _reload(request)
    return _card(request)


@require_POST
def deploy(request: HttpRequest) -> HttpResponse:
    try:
        demo.deploy(current_user(request), request)
    except StateConflict:
        messages.info(request, _("It is being deployed already."))
        return _reload(request)
    return _card(request)


def _reload(request: HttpRequest) -> HttpResponse:
    """The home page anew, which shows the message."""
    if request.headers.get("HX-Request"):
        return HttpResponse(status=204, headers={"HX-Refresh": "true"})
    return redirect("home")


urlpatterns = [
    path("", start, name="demo"),
    path("train/", train, name="demo-train"),
    path("deploy/", deploy, name="demo-deploy"),
]
