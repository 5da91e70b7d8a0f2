"""Large bodies are for those who are known; nobody fills the disk before anyone asks who it is."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from asgiref.sync import async_to_sync
from django.test import Client

from accounts.models import ApiKey, User
from llmplatform.bodies import with_limited_bodies

pytestmark = pytest.mark.django_db(transaction=True)
SMALL, LARGE = 1_000, 5_000


@pytest.fixture(autouse=True)
def sizes(settings: Any) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = SMALL
    settings.UPLOAD_MAX_BYTES = LARGE


async def reading(scope: Any, receive: Any, send: Any) -> None:
    """Reads all of it, as Django does; a sender who has gone gets no answer."""
    size, is_more = 0, True
    while is_more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, is_more = size + len(message.get("body", b"")), message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(size).encode()})


async def pieces(size: int) -> AsyncIterator[bytes]:
    for start in range(0, size, 500):
        yield b"x" * min(500, size - start)


async def post(size: int, *, is_told: bool = True, **headers: str) -> httpx.Response:
    transport = httpx.ASGITransport(with_limited_bodies(reading))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        content = b"x" * size if is_told else pieces(size)
        return await client.post("/accounts/login/", content=content, headers=headers)


@pytest.mark.parametrize("is_told", [True, False])
async def test_strangers_send_little(is_told: bool) -> None:
    assert (await post(SMALL, is_told=is_told)).text == str(SMALL)
    refused = await post(SMALL + 1, is_told=is_told)
    assert refused.status_code == 413
    assert refused.json()["error"]["code"] == "too_large"
    assert (await post(SMALL + 1, authorization="Bearer llmp_wrong.key")).status_code == 413
    assert (await post(SMALL + 1, cookie="sessionid=wrong")).status_code == 413


@pytest.mark.parametrize("is_told", [True, False])
def test_those_who_are_known_send_files(
    alice: User, client_for: Callable[[User], Client], is_told: bool
) -> None:
    _key, text = ApiKey.issue(user=alice, name="laptop")
    cookie = client_for(alice).cookies["sessionid"].value
    for headers in ({"authorization": f"Bearer {text}"}, {"cookie": f"sessionid={cookie}"}):
        sent = async_to_sync(post)(LARGE, is_told=is_told, **headers)
        assert sent.text == str(LARGE)
        too_much = async_to_sync(post)(LARGE + SMALL + 1, is_told=is_told, **headers)
        assert too_much.status_code == 413
