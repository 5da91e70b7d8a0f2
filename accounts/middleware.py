"""Sign-in is required everywhere unless a view says otherwise; the API authenticates by itself."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.contrib.auth.middleware import LoginRequiredMiddleware as DjangoLoginRequired
from django.http import HttpRequest, HttpResponseBase

__all__ = ["LoginRequiredMiddleware", "set_language_cookie"]


class LoginRequiredMiddleware(DjangoLoginRequired):
    """Leaves API operations to the API's own authentication, which answers 401 in its shape."""

    def process_view(
        self,
        request: HttpRequest,
        view_func: Callable[..., HttpResponseBase],
        view_args: tuple[Any, ...],
        view_kwargs: dict[str, Any],
    ) -> HttpResponseBase | None:
        match = request.resolver_match
        if match is not None and match.app_names[:1] == ["ninja"]:
            return None
        return super().process_view(request, view_func, view_args, view_kwargs)


def set_language_cookie(response: HttpResponseBase, language: str) -> None:
    """What Django's LocaleMiddleware reads: the person's own choice, before the browser's."""
    response.set_cookie(
        settings.LANGUAGE_COOKIE_NAME,
        language,
        max_age=365 * 86400,
        samesite="Lax",
        secure=settings.SESSION_COOKIE_SECURE,
    )
