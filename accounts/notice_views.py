"""What a person was told, and the channels through which they are told."""

from datetime import UTC, datetime

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts import notices
from accounts.access import current_user, owned_or_404
from accounts.forms import ChannelForm, EditChannelForm
from accounts.models import Delivery, NoticeChannel, UserNotice
from accounts.models.notices import NoticeQuerySet

UNPROCESSABLE = 422
PER_PAGE, IN_BELL, DELIVERIES_SHOWN, TOASTS = 25, 6, 20, 3


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    rows = UserNotice.objects.for_user(current_user(request))
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    return render(request, "accounts/notices.html", {"page": page})


@require_safe
def bell(request: HttpRequest) -> HttpResponse:
    """The count for the top bar, with what has come after `since` (a time stamp) as toasts, or,
    with `list`, the newest for its menu."""
    rows = UserNotice.objects.for_user(current_user(request))
    if "list" not in request.GET:
        fresh = _after(rows.unread(), request.GET.get("since", ""))
        return render(request, "accounts/bell.html#count", {"fresh": fresh})
    rows = rows[:IN_BELL]
    return render(request, "accounts/bell.html#list", {"notices": rows})


def _after(rows: NoticeQuerySet, since: str) -> list[UserNotice]:
    """The oldest first; none where it does not say since when."""
    try:
        at = datetime.fromtimestamp(float(since), UTC)
    except (ValueError, OverflowError, OSError):
        return []
    return list(rows.filter(created_at__gt=at)[:TOASTS])[::-1]


@require_safe
def show(request: HttpRequest, notice_id: int) -> HttpResponse:
    """To the page that it is about; it is read then."""
    user = current_user(request)
    notice = owned_or_404(UserNotice.objects.for_user(user), pk=notice_id)
    notices.mark_read(user, [notice.pk])
    is_ours = url_has_allowed_host_and_scheme(notice.path, allowed_hosts=None)
    return redirect(notice.path if notice.path and is_ours else "accounts:notices")


@require_POST
def read_all(request: HttpRequest) -> HttpResponse:
    notices.mark_read(current_user(request))
    return redirect("accounts:notices")


@sensitive_post_parameters("address", "secret")
@require_http_methods(["GET", "HEAD", "POST"])
def channels(request: HttpRequest) -> HttpResponse:
    """Where notices go, and what became of the latest ones."""
    user = current_user(request)
    form = ChannelForm(request.POST or None)
    if form.is_valid():
        try:
            channel = notices.create_channel(user=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("“%(name)s” is added. Try it.") % {"name": channel.name})
            return redirect("accounts:channels")
    rows = NoticeChannel.objects.for_user(user)
    log = Delivery.objects.filter(channel__user=user).select_related("channel")[:DELIVERIES_SHOWN]
    context = {"form": form, "channels": rows, "deliveries": log}
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "accounts/channels.html", context, status=status)


def _channel(request: HttpRequest, channel_id: int) -> NoticeChannel:
    return owned_or_404(NoticeChannel.objects.for_user(current_user(request)), pk=channel_id)


@sensitive_post_parameters("address", "secret")
@require_http_methods(["GET", "HEAD", "POST"])
def edit_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    known = {"name": channel.name, "is_enabled": channel.is_enabled}
    form = EditChannelForm(request.POST or None, initial=known)
    if form.is_valid():
        try:
            notices.change_channel(
                channel=channel, actor=current_user(request), request=request, **form.cleaned_data
            )
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("“%(name)s” is changed.") % {"name": channel.name})
            return redirect("accounts:channels")
    context = {"form": form, "channel": channel}
    status = UNPROCESSABLE if form.is_bound else 200
    return render(request, "accounts/channel.html", context, status=status)


@require_POST
def test_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    delivery = notices.test_channel(channel=_channel(request, channel_id))
    if delivery.status == Delivery.Status.SENT:
        messages.success(request, _("Sent. Look whether it has arrived."))
    else:
        messages.error(request, _("It did not arrive: %(why)s") % {"why": delivery.error})
    return redirect("accounts:channels")


@require_POST
def delete_channel(request: HttpRequest, channel_id: int) -> HttpResponse:
    channel = _channel(request, channel_id)
    notices.delete_channel(channel=channel, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is removed.") % {"name": channel.name})
    return redirect("accounts:channels")
