"""Pages that belong to no app: home, the command palette, language and theme."""

from dataclasses import asdict

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, login_not_required
from accounts.middleware import set_language_cookie
from accounts.models import Language, Theme
from llmplatform.home import shown
from llmplatform.palette import found

MOST_CHARS = 200


@require_safe
def home(request: HttpRequest) -> HttpResponse:
    return render(request, "home.html", shown(request))


@require_safe
def palette(request: HttpRequest) -> JsonResponse:
    """`{"items": [{"label", "url", "group"}]}`: whose name contains `q`."""
    items = found(current_user(request), request.GET.get("q", "")[:MOST_CHARS])
    return JsonResponse({"items": [asdict(item) for item in items]})


def _back(request: HttpRequest) -> HttpResponse:
    target = request.POST.get("next", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return redirect(target if safe else "home")


@login_not_required
@require_POST
def set_language(request: HttpRequest) -> HttpResponse:
    language = request.POST.get("language", "")
    if language not in Language.values:
        return HttpResponseBadRequest()
    if request.user.is_authenticated:
        user = current_user(request)
        user.language = language
        user.save(update_fields=["language"])
    response = _back(request)
    set_language_cookie(response, language)
    return response


@login_not_required
@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    theme = request.POST.get("theme", "")
    if theme not in Theme.values:
        return HttpResponseBadRequest()
    if request.user.is_authenticated:
        user = current_user(request)
        user.theme = theme
        user.save(update_fields=["theme"])
    response = _back(request) if not request.headers.get("HX-Request") else HttpResponse(status=204)
    response.set_cookie(
        "theme", theme, max_age=365 * 86400, samesite="Lax", secure=settings.SESSION_COOKIE_SECURE
    )
    return response
