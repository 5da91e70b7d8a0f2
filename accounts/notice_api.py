"""API: `notices` and `notice-channels`."""

from typing import Any

from django.http import HttpRequest
from ninja import Query, Router

from accounts import notices
from accounts.access import current_user, owned_or_404
from accounts.models import Delivery, NoticeChannel, UserNotice
from accounts.schemas import ChannelIn, ChannelOut, ChannelPatch, ChannelTestOut, NoticeOut, ReadIn
from llmplatform.schemas import Page, Paging, paginate

notices_router = Router(tags=["Notices"])
channels_router = Router(tags=["Notices"])


@notices_router.get("", response=Page[NoticeOut])
def list_notices(request: HttpRequest, paging: Query[Paging], unread: bool = False) -> Any:
    """The newest first."""
    rows = UserNotice.objects.for_user(current_user(request))
    return paginate(rows.unread() if unread else rows, paging)


@notices_router.post("read", response={204: None})
def read_notices(request: HttpRequest, body: ReadIn) -> Any:
    """Those named, or all."""
    notices.mark_read(current_user(request), body.ids)
    return 204, None


def _channel(request: HttpRequest, channel_id: int) -> NoticeChannel:
    return owned_or_404(NoticeChannel.objects.for_user(current_user(request)), pk=channel_id)


@channels_router.get("", response=Page[ChannelOut])
def list_channels(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(NoticeChannel.objects.for_user(current_user(request)), paging)


@channels_router.post("", response={201: ChannelOut})
def create_channel(request: HttpRequest, body: ChannelIn) -> Any:
    """Address and secret are never shown again."""
    given = body.model_dump()
    return 201, notices.create_channel(user=current_user(request), request=request, **given)


@channels_router.patch("{int:channel_id}", response=ChannelOut)
def change_channel(request: HttpRequest, channel_id: int, body: ChannelPatch) -> Any:
    """A new address without a secret takes the old one away."""
    return notices.change_channel(
        channel=_channel(request, channel_id),
        actor=current_user(request),
        request=request,
        **body.model_dump(exclude_unset=True),
    )


@channels_router.delete("{int:channel_id}", response={204: None})
def delete_channel(request: HttpRequest, channel_id: int) -> Any:
    channel = _channel(request, channel_id)
    notices.delete_channel(channel=channel, actor=current_user(request), request=request)
    return 204, None


@channels_router.post("{int:channel_id}/test", response=ChannelTestOut)
def test_channel(request: HttpRequest, channel_id: int) -> Any:
    """Sends one notice now."""
    delivery = notices.test_channel(channel=_channel(request, channel_id))
    return {"is_sent": delivery.status == Delivery.Status.SENT, "error": delivery.error}
