"""The system console: Django's admin in unfold's clothes, behind the platform's own sign-in."""

from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _
from unfold.sites import UnfoldAdminSite

from accounts.access import current_user
from accounts.services import audit


class ConsoleSite(UnfoldAdminSite):  # type: ignore[misc]
    site_title = _("Console")
    site_header = _("Console")
    index_title = _("Overview")

    def extra_urls(self) -> list[URLPattern]:
        return [path("overview/", self.admin_view(self.overview), name="overview")]

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """`redirect_to` is where unfold's language menu comes back to."""
        context: dict[str, Any] = super().each_context(request)
        return context | {"redirect_to": request.get_full_path()}

    def login(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """One sign-in page for the whole platform, with its throttling and audit."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied
        return redirect_to_login(request.GET.get("next") or reverse("admin:index"))

    def logout(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        """Signing out is the platform's too; its form is in the console's menu."""
        return redirect("home")

    def password_change(self, request: HttpRequest, extra_context: object = None) -> HttpResponse:
        return redirect("accounts:profile")

    def record(
        self,
        request: HttpRequest,
        action: str,
        target: Model,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None:
        """What llmplatform.audited_admin asks for."""
        actor = current_user(request)
        audit(
            actor=actor, action=action, target=target, before=before, after=after, request=request
        )

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        from llmplatform.dashboard import overview

        response: HttpResponse = super().index(request, {**overview(), **(extra_context or {})})
        return response

    def overview(self, request: HttpRequest) -> HttpResponse:
        """The dashboard's live part, which asks for itself every few seconds."""
        from llmplatform.dashboard import overview

        return render(request, "console/overview.html", overview())
