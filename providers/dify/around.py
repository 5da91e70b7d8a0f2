"""What an application of Dify needs around a chat: files that lie there before, and word that
nobody listens any more."""

import asyncio
import base64
import binascii
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from providers.adapters.answers import read_object
from providers.adapters.base import AnswerReader
from providers.adapters.dify import DifyAdapter, user_of
from providers.adapters.dify_reading import DifyReader
from providers.adapters.messages import Image, turns
from providers.asking import fetched
from providers.errors import BadRequest, InvalidAnswer, ProviderError
from providers.types import ChatRequest, ListedModel, Target

ADAPTER = DifyAdapter()
# It is told once, and the person who stopped does not wait for it.
_farewells: set[asyncio.Task[None]] = set()


async def upload(
    target: Target, *, name: str, media_type: str, content: bytes, user: str
) -> dict[str, str]:
    """A file as a run names it. Raises ProviderError."""
    build = partial(ADAPTER.upload, name=name, media_type=media_type, content=content, user=user)
    body = await fetched(target, build)
    file_id = read_object(body).get("id")
    if not isinstance(file_id, str) or not file_id:
        raise InvalidAnswer("no id of the file")
    kind = {"type": _kind_of(media_type), "transfer_method": "local_file"}
    return kind | {"upload_file_id": file_id}


def _kind_of(media_type: str) -> str:
    kind = media_type.partition("/")[0]
    return kind if kind in ("image", "audio", "video") else "document"


async def with_files(target: Target, request: ChatRequest) -> ChatRequest:
    """With the images of the last message laid there that have no address. Raises ProviderError."""
    if target.kind != "dify":
        return request
    last = turns(target, request)[-1:]
    images = [image for turn in last for image in turn.images if image.data]
    if not images:
        return request
    user = user_of(target, request.parameters)
    laid = [await _laid(target, image, number, user) for number, image in enumerate(images, 1)]
    return replace(request, uploaded=(*request.uploaded, *laid))


async def _laid(target: Target, image: Image, number: int, user: str) -> dict[str, str]:
    try:
        content = base64.b64decode(image.data, validate=True)
    except binascii.Error as error:
        raise BadRequest("the image is not base64") from error
    ending = image.media_type.partition("/")[2].partition("+")[0]
    name = f"image-{number}.{ending}"
    return await upload(target, name=name, media_type=image.media_type, content=content, user=user)


def give_up(target: Target, request: ChatRequest, reader: AnswerReader) -> None:
    """Nobody listens any more: Dify would go on, and charge for it, until it is told."""
    if not isinstance(reader, DifyReader) or not reader.task_id or reader.has_finished:
        return
    task_id, user = reader.task_id, user_of(target, request.parameters)

    async def tell() -> None:
        # Where that fails, it ends by itself.
        with suppress(ProviderError):
            await fetched(target, partial(ADAPTER.stop, task_id=task_id, user=user))

    farewell = asyncio.get_running_loop().create_task(tell())
    _farewells.add(farewell)
    farewell.add_done_callback(_farewells.discard)


async def seen(target: Target, listed: Sequence[ListedModel]) -> list[ListedModel]:
    """The application, with vision where it says that it takes images."""
    rows = list(listed)
    if not rows:
        return rows
    try:
        body = await fetched(target, partial(ADAPTER.ask, method="GET", path="/parameters"))
        image = read_object(body).get("file_upload", {}).get("image", {})
        takes_images = image.get("enabled") is True
    except (ProviderError, AttributeError):
        return rows  # it says nothing of what it takes
    return [replace(row, types=("chat", "vision")) for row in rows] if takes_images else rows
