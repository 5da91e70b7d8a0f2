"""Static files from the web process: long-lived when their name says what they hold."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from llmplatform.serving import with_static


async def beyond(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": b"beyond"})


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    settings.STATIC_ROOT = tmp_path / "static"
    folder = tmp_path / "static" / "css"
    folder.mkdir(parents=True)
    (folder / "base.css").write_text("a {}")
    (folder / "base.0123456789ab.css").write_text("a {}")
    (tmp_path / "secret").write_text("secret")
    return tmp_path


async def _get(path: str) -> httpx.Response:
    transport = httpx.ASGITransport(with_static(beyond))
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        return await client.get(path)


async def test_hashed_names_are_cached_for_ever(root: Path) -> None:
    hashed = await _get("/static/css/base.0123456789ab.css")
    assert "immutable" in hashed.headers["Cache-Control"]
    plain = await _get("/static/css/base.css")
    assert "immutable" not in plain.headers["Cache-Control"]
    assert plain.status_code == 200


@pytest.mark.parametrize(
    "path", ["/static/../secret", "/static/%2e%2e/secret", "/static/none.css", "/chat/"]
)
async def test_everything_else_goes_on_to_the_application(root: Path, path: str) -> None:
    answer = await _get(path)
    assert "secret" not in answer.text
    assert answer.status_code in (299, 404)


async def test_without_the_folder_there_is_nothing_in_front(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_ROOT = tmp_path / "absent"
    assert with_static(beyond) is beyond
