"""The guarded way out: addresses, rebinding, redirects, limits."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from providers.addresses import is_allowed, problem_with_url
from providers.errors import Blocked, ProviderError, error_of
from providers.http import fetch, make_client
from providers.types import HttpRequest


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
        *("100.100.100.200", "100.64.0.1", "168.63.129.16", "224.0.0.1", "255.255.255.255"),
        *("::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "fd00:ec2::254", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:7f00:1", "64:ff9b::7f00:1", "64:ff9b::808:808"),
        *("2002:7f00:1::", "2002:808:808::", "::7f00:1", "198.18.0.1", "not an address"),
    ],
)
def test_internal_addresses_are_refused(address: str) -> None:
    assert not is_allowed(address, allow_private=False)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert is_allowed(address, allow_private=False)


@pytest.mark.parametrize("address", ["169.254.169.254", "100.100.100.200", "fe80::1", "0.0.0.0"])
def test_metadata_stays_refused_where_private_is_allowed(address: str) -> None:
    assert is_allowed("127.0.0.1", allow_private=True)
    assert not is_allowed(address, allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        *("http://127.0.0.1\\@ok.com", "http://ok.com#@127.0.0.1", "http://127。0。0。1"),
        *("http://①②⑦.⓪.⓪.①", "http://127.1", "http://2130706433", "http://0x7f.1"),
        *("http://0177.0.0.1", "ftp://ok.com", "file:///etc/passwd", "gopher://ok.com", ""),
        *("http://user:pass@ok.com", "http://", "http://ok.com:99999", "http://ok.com/?key=1"),
        *("javascript:alert(1)", "http://ok.com/\r\nX: 1"),
    ],
)
def test_odd_urls_are_refused(url: str) -> None:
    assert problem_with_url(url) is not None


def test_ordinary_urls_are_accepted() -> None:
    assert problem_with_url("https://api.example.com/v1") is None
    assert problem_with_url("http://[2606:4700::1]:8080/v1") is None


@asynccontextmanager
async def server(answer: bytes) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A sink on loopback that records what it is sent."""
    seen: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1], seen


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


async def test_a_private_address_is_blocked_before_a_byte_is_sent() -> None:
    async with server(OK) as (port, seen), make_client() as client:
        with pytest.raises(Blocked):
            await fetch(client, HttpRequest("GET", f"http://127.0.0.1:{port}/", {}))
        assert seen == []


@pytest.mark.parametrize("answers", [["8.8.8.8", "127.0.0.1"], ["127.0.0.1"], []])
async def test_rebinding_is_blocked(answers: list[str]) -> None:
    asked = []

    async def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return answers

    async with make_client(resolve=resolve) as client:
        with pytest.raises(Blocked):
            await fetch(client, HttpRequest("GET", "http://provider.example/", {}))
    assert asked == ["provider.example"], "one resolution per connection"


async def test_it_connects_to_the_checked_address_with_the_name_in_the_request() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    async with server(OK) as (port, seen), make_client(is_managed=True, resolve=resolve) as client:
        url = f"http://provider.example:{port}/"
        assert await fetch(client, HttpRequest("GET", url, {})) == b"ok"
    assert f"Host: provider.example:{port}".encode() in seen[0]


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(status: int) -> None:
    async with server(OK) as (inner, seen):
        location = f"Location: http://127.0.0.1:{inner}/\r\nContent-Length: 0\r\n\r\n"
        moved = f"HTTP/1.1 {status} X\r\n{location}"
        async with server(moved.encode()) as (port, _seen), make_client(is_managed=True) as client:
            with pytest.raises(ProviderError) as caught:
                await fetch(client, HttpRequest("GET", f"http://127.0.0.1:{port}/", {}))
        assert caught.value.code == "upstream_redirect"
        assert seen == []


async def test_a_refused_and_a_blocked_address_look_the_same() -> None:
    async with make_client(is_managed=True) as client:
        with pytest.raises(ProviderError) as refused:
            await fetch(client, HttpRequest("GET", "http://127.0.0.1:9/", {}))
    assert refused.value.code == Blocked.code
    assert str(refused.value.advice) == str(Blocked.advice)


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (401, "{}", "authentication"),
        (400, '{"error":"Incorrect API key provided: xa***"}', "authentication"),
        (402, "{}", "no_money"),
        (429, '{"error":{"type":"insufficient_quota"}}', "no_money"),
        (429, '{"error":{"type":"engine_overloaded_error"}}', "overloaded"),
        (429, "{}", "rate_limited"),
        (400, "maximum context length is 8192 tokens", "context_too_long"),
        (400, '{"error":{"code":"content_filter"}}', "content_filter"),
        (451, "", "content_filter"),
        (404, "", "no_such_model"),
        (413, "", "too_large"),
        (422, "", "bad_request"),
        (502, "<html>", "unavailable"),
        (529, "", "overloaded"),
    ],
)
def test_errors_have_one_vocabulary(status: int, body: str, code: str) -> None:
    assert error_of(status, body).code == code
