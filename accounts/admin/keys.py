"""Console: personal keys and API sessions, without what would let anybody use them."""

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts import services
from accounts.access import current_user
from accounts.models import ApiKey, AuthSession, RefreshToken
from llmplatform.audited_admin import ReadOnlyAdmin, ReadOnlyInline


@admin.register(ApiKey)
class ApiKeyAdmin(ReadOnlyAdmin):
    audit_noun = "key"
    list_display = ("name", "user", "shown_key", "is_live", "expires_at", "last_used_at")
    list_filter = (
        ("user", AutocompleteSelectFilter),
        ("revoked_at", admin.EmptyFieldListFilter),
        ("last_used_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("user",)
    search_fields = ("name", "prefix", "user__email")
    fields = (
        ("name", "user"),
        ("shown_key", "allowed_models"),
        ("rpm", "tpm", "max_parallel"),
        ("budget_day_usd", "budget_month_usd", "budget_usd"),
        ("created_at", "expires_at"),
        ("last_used_at", "revoked_at"),
    )
    actions = ("revoke",)

    @display(description=_("key"))
    def shown_key(self, key: ApiKey) -> str:
        return f"llmp_{key.prefix}.…"

    @display(description=_("works"), boolean=True)
    def is_live(self, key: ApiKey) -> bool:
        return key.is_live and key.user.is_active

    @admin.action(description=_("Revoke"))
    def revoke(self, request: HttpRequest, keys: QuerySet[ApiKey]) -> None:
        actor = current_user(request)

        def act(key: ApiKey) -> None:
            services.revoke_key(key=key, actor=actor, request=request)

        done = self.attempt(request, keys.filter(revoked_at=None), act)
        text = ngettext("%(count)d key is revoked.", "%(count)d keys are revoked.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS)


class RefreshTokenInline(ReadOnlyInline):
    """When, never what: neither the digest nor the successor."""

    model = RefreshToken
    fields = readonly_fields = ("created_at", "used_at", "expires_at")


@admin.register(AuthSession)
class AuthSessionAdmin(ReadOnlyAdmin):
    audit_noun = "session"
    list_display = ("user", "created_at", "expires_at", "is_live", "address", "agent")
    list_filter = (("user", AutocompleteSelectFilter), ("created_at", RangeDateTimeFilter))
    list_filter_submit = True
    list_select_related = ("user",)
    search_fields = ("user__email", "address")
    fields = (
        ("user", "address"),
        "agent",
        ("created_at", "expires_at"),
        ("revoked_at", "revoke_reason"),
    )
    inlines = (RefreshTokenInline,)
    actions = ("revoke",)

    @display(description=_("valid"), boolean=True)
    def is_live(self, session: AuthSession) -> bool:
        return session.is_live

    @admin.action(description=_("End these sessions"))
    def revoke(self, request: HttpRequest, sessions: QuerySet[AuthSession]) -> None:
        actor = current_user(request)

        def act(session: AuthSession) -> None:
            with transaction.atomic():
                session.revoke("administrator")
                services.audit(
                    actor=actor, action="session.revoke", target=session.user, request=request
                )

        done = self.attempt(request, sessions.filter(revoked_at=None).select_related("user"), act)
        text = ngettext("%(count)d session has ended.", "%(count)d sessions have ended.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS)
