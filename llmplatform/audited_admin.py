"""The console's ModelAdmin: every change made there reaches the audit log, without secrets.

The audit log belongs to an app, and this module knows none: the admin site records (console.py).
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Any, ClassVar, Protocol, TypeVar, cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.forms import BaseForm, ModelForm
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline

SECRET = frozenset({"password", "credential", "api_key", "sha256", "successor_secret"})
M = TypeVar("M", bound=Model)


class Recorder(Protocol):
    """What the admin site offers: one audit event for the person of `request`."""

    def record(
        self,
        request: HttpRequest,
        action: str,
        target: Model,
        before: dict[str, Any] | None = None,
        after: dict[str, Any] | None = None,
    ) -> None: ...


class Label(tuple[str, str]):
    """A state for a display with colours: its code, which has one, and its words.

    unfold takes the two apart in lists only; everywhere else the words stand for both.
    """

    __slots__ = ()

    def __new__(cls, code: str, words: object) -> "Label":
        return super().__new__(cls, (code, str(words)))

    def __str__(self) -> str:
        return self[1]


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """`values` as the audit log keeps them: plain, and secrets only as the fact of a change."""
    return {name: "changed" if name in SECRET else _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, str | int | float | bool | list | dict | None):
        return value
    return str(value)


def done_in_dialog(request: HttpRequest, url: str) -> HttpResponse:
    """Leave a dialog for `url`, whether htmx sent its form or the browser did."""
    if request.headers.get("HX-Request"):
        return HttpResponse(headers={"HX-Redirect": url})
    return HttpResponseRedirect(url)


def rehearse(form: BaseForm, act: Callable[[], object]) -> None:
    """Put a service's refusals on `form`: `act` is done and undone again.

    For the forms whose save is a service's verb, which the admin calls after validation.
    """
    try:
        with transaction.atomic():
            act()
            transaction.set_rollback(True)
    except ValidationError as error:
        put_on(form, error)


def put_on(form: BaseForm, error: ValidationError) -> None:
    """Each problem beside its field; what belongs to none of them above the form."""
    if hasattr(error, "error_dict"):
        for name, found in error.error_dict.items():
            form.add_error(name if name in form.fields else None, found)
    else:
        form.add_error(None, error)


class AuditedAdmin(ModelAdmin):  # type: ignore[misc]
    """`audit_noun` makes the actions' names (`user.update`); `recorded_by_service` are fields
    whose change a service records itself."""

    audit_noun: ClassVar[str] = ""
    recorded_by_service: ClassVar[frozenset[str]] = frozenset()
    list_per_page = 25  # a row costs about 2 ms to render
    list_filter_submit = False

    @property
    def _recorder(self) -> Recorder:
        return cast(Recorder, self.admin_site)

    def save_related(
        self, request: HttpRequest, form: "ModelForm[Any]", formsets: Any, change: bool
    ) -> None:
        super().save_related(request, form, formsets, change)
        names = [name for name in form.changed_data if name not in self.recorded_by_service]
        if not names:
            return
        after = shown({name: form.cleaned_data.get(name) for name in names})
        before = shown({name: form.initial.get(name) for name in names}) if change else None
        verb = "update" if change else "create"
        noun = self.audit_noun
        self._recorder.record(request, f"{noun}.{verb}", form.instance, before, after)

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """Recorded in save_related, with the values; the audit log is the only log."""

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> None:
        """As log_addition."""

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> None:
        for row in queryset:
            self._recorder.record(request, f"{self.audit_noun}.delete", row)

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """What hangs on a row goes with it, even where it has no delete button of its own."""
        deleted, counts, _refused, protected = super().get_deleted_objects(objs, request)
        return deleted, counts, set(), protected

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: Any = None
    ) -> HttpResponse:
        """An object's history is its part of the audit log."""
        query = QueryDict(mutable=True)
        query["target_type__exact"] = self.opts.label_lower
        query["target_id__exact"] = object_id
        changelist = reverse("admin:accounts_auditevent_changelist")
        return HttpResponseRedirect(f"{changelist}?{query.urlencode()}")

    def attempt(
        self,
        request: HttpRequest,
        rows: "QuerySet[M]",
        act: Callable[[M], object],
        refused: tuple[type[Exception], ...] = (),
    ) -> int:
        """Call `act` for each row; how many it was done for. A refusal becomes a message."""
        done = 0
        for row in rows:
            try:
                act(row)
                done += 1
            except ValidationError as error:
                self.message_user(request, f"{row}: {' '.join(error.messages)}", messages.ERROR)
            except refused as error:
                text = getattr(error, "message", "") or str(error)
                self.message_user(request, f"{row}: {text}", messages.ERROR)
        return done


class SettingsAdmin(AuditedAdmin):
    """Of a model with one row: its list is its form."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        row, _is_new = self.model._default_manager.get_or_create(pk=1)
        name = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
        return HttpResponseRedirect(reverse(name, args=[row.pk]))


class ReadOnlyAdmin(AuditedAdmin):
    """To look at; what may be done to a row are its actions."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class ReadOnlyInline(TabularInline):  # type: ignore[misc]
    """Rows that belong to the one above, to look at."""

    extra = 0
    can_delete = False
    hide_title = True

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False
