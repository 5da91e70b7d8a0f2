"""Console: conversations as far as running the platform needs them. Their words are private."""

from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any, cast

from django.contrib import admin, messages
from django.contrib.admin import EmptyFieldListFilter
from django.db.models import Count, Model, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from unfold.contrib.filters.admin import AutocompleteSelectFilter, RangeDateTimeFilter
from unfold.decorators import display

from accounts.access import current_user
from chat.batches import services as batches
from chat.errors import WrongState
from chat.models import Batch, BatchStatus, ChatSession, ChatSettings, Message, MessageStatus
from chat.models.batches import BatchQuerySet
from llmplatform.audited_admin import Label, ReadOnlyAdmin, SettingsAdmin
from providers.models import ProviderModel

STATUS_COLOURS = {
    MessageStatus.STREAMING: "primary",
    MessageStatus.DONE: "success",
    MessageStatus.STOPPED: "default",
    MessageStatus.INTERRUPTED: "warning",
    MessageStatus.FAILED: "danger",
}
BATCH_COLOURS = {
    BatchStatus.RUNNING: "primary",
    BatchStatus.DONE: "success",
    BatchStatus.PAUSED: "warning",
}
WORDS = {ChatSession: "title", Message: "content", Batch: "name"}


def _unnamed(row: Any) -> Any:
    """`row` called by its id wherever the admin calls it by its words; it is never saved."""
    if row is not None:
        setattr(row, WORDS[type(row)], str(row.pk))
    return row


def _id(noun: Any, chars: int | None = None) -> Callable[[Any, Model], str]:
    """A column with what a row is called here."""

    @display(description=noun)
    def shown(_admin: Any, row: Model) -> str:
        return str(row.pk)[:chars]

    return cast(Callable[[Any, Model], str], shown)


class WordlessAdmin(ReadOnlyAdmin):
    """Rows that are called by their ids."""

    def get_object(self, request: HttpRequest, object_id: str, from_field: Any = None) -> Any:
        return _unnamed(super().get_object(request, object_id, from_field))


@admin.register(ChatSession)
class ChatSessionAdmin(WordlessAdmin):
    """Who, with what, how much and when. Its owner may ask to have one deleted for good."""

    audit_noun = "chat"
    list_display = (
        *("short_id", "owner", "model", "size", "is_archived"),
        *("created_at", "updated_at", "deleted_at"),
    )
    list_filter = (
        ("owner", AutocompleteSelectFilter),
        ("model", AutocompleteSelectFilter),
        ("updated_at", RangeDateTimeFilter),
        ("deleted_at", EmptyFieldListFilter),
    )
    list_filter_submit = True
    list_select_related = ("owner", "model__provider")
    search_fields = ("owner__email", "id")
    fields = (
        ("shown_id", "owner"),
        ("model", "size"),
        ("created_at", "updated_at"),
        ("is_archived", "deleted_at"),
    )
    readonly_fields = ("shown_id", "size")

    def get_queryset(self, request: HttpRequest) -> QuerySet[ChatSession]:
        rows: QuerySet[ChatSession] = super().get_queryset(request)
        return rows.annotate(size_now=Count("messages"))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> Any:
        """The confirmation counts what goes; Django's would quote it."""
        chats = [str(chat.pk) for chat in objs]
        rows = Message.objects.filter(session__in=[chat.pk for chat in objs]).count()
        return (
            chats,
            {ChatSession._meta.verbose_name_plural: len(chats), _("messages"): rows},
            (),
            (),
        )

    def log_deletions(self, request: HttpRequest, queryset: Iterable[Model]) -> None:
        super().log_deletions(request, [_unnamed(chat) for chat in queryset])

    short_id, shown_id = _id(_("chat"), 8), _id(_("chat"))

    @display(description=_("messages"), ordering="size_now")
    def size(self, chat: ChatSession) -> int:
        found: int = chat.size_now  # type: ignore[attr-defined]
        return found

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return True


@admin.register(Message)
class MessageAdmin(WordlessAdmin):
    """What answers took and how they ended, for finding out what goes wrong."""

    audit_noun = "message"
    list_display = (
        "short_id",
        "owner",
        "role",
        "model_label",
        "status_label",
        "error_code",
        "ttft_ms",
        "duration_ms",
        "created_at",
    )
    list_filter = (
        "status",
        "role",
        ("session__owner", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("session__owner",)
    search_fields = ("session__owner__email", "model_label", "error_code")
    fields = (
        ("shown_id", "owner"),
        ("role", "model_label"),
        ("status", "error_code"),
        ("prompt_tokens", "completion_tokens"),
        ("ttft_ms", "duration_ms"),
        ("thinking_ms", "finish_reason"),
        "created_at",
    )
    readonly_fields = ("shown_id", "owner")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Message]:
        rows: QuerySet[Message] = super().get_queryset(request)
        return rows.defer("content", "thinking_content")

    short_id, shown_id = _id(_("message"), 8), _id(_("message"))

    @display(description=_("owner"), ordering="session__owner__email")
    def owner(self, message: Message) -> str:
        return message.session.owner.email

    @display(description=_("status"), ordering="status", label=STATUS_COLOURS)
    def status_label(self, message: Message) -> Label:
        return Label(message.status, message.get_status_display())


@admin.register(Batch)
class BatchAdmin(WordlessAdmin):
    """Who compares how much. One that asks too much of a provider can be stopped here."""

    audit_noun = "batch"
    list_display = (
        *("short_id", "owner", "status_label", "size", "without_answer", "calls_at_once"),
        *("created_at", "ended_at"),
    )
    list_filter = (
        "status",
        ("owner", AutocompleteSelectFilter),
        ("created_at", RangeDateTimeFilter),
    )
    list_filter_submit = True
    list_select_related = ("owner",)
    search_fields = ("owner__email", "id")
    fields = (
        ("shown_id", "owner"),
        ("status", "source"),
        ("size", "without_answer"),
        ("judge", "calls_at_once"),
        ("created_at", "started_at"),
        "ended_at",
    )
    readonly_fields = ("shown_id", "size", "without_answer")
    actions = ("cancel",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Batch]:
        rows: QuerySet[Batch] = super().get_queryset(request)
        return cast(BatchQuerySet, rows).counted()

    short_id, shown_id = _id(_("batch comparison"), 8), _id(_("batch comparison"))

    @display(description=_("status"), ordering="status", label=BATCH_COLOURS)
    def status_label(self, batch: Batch) -> Label:
        return Label(batch.status, batch.get_status_display())

    @display(description=_("calls"), ordering="total")
    def size(self, batch: Batch) -> int:
        found: int = batch.total  # type: ignore[attr-defined]
        return found

    @display(description=_("without an answer"), ordering="failed")
    def without_answer(self, batch: Batch) -> int:
        found: int = batch.failed  # type: ignore[attr-defined]
        return found

    @admin.action(description=_("Stop for good; answers stay"))
    def cancel(self, request: HttpRequest, rows: QuerySet[Batch]) -> None:
        count = 0
        for batch in rows:
            with suppress(WrongState):
                batches.cancel(batch=batch, actor=current_user(request), request=request)
                count += 1
        text = ngettext(
            "%(count)d batch comparison is stopped.",
            "%(count)d batch comparisons are stopped.",
            count,
        )
        level = messages.SUCCESS if count else messages.WARNING
        self.message_user(request, text % {"count": count}, level)


@admin.register(ChatSettings)
class ChatSettingsAdmin(SettingsAdmin):
    """Who writes titles, and how long deleted chats are kept."""

    audit_noun = "chat_settings"

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """A model that everybody may use: it writes the titles of everybody's chats."""
        if db_field.name == "title_model":
            shared = ProviderModel.objects.usable().chat().filter(provider__owner=None)
            kwargs["queryset"] = shared.select_related("provider")
        return super().formfield_for_foreignkey(db_field, request, **kwargs)
