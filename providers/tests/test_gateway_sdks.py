"""What the official SDKs do by themselves: try again, raise, leave. Sync, async, both vendors."""

from collections.abc import Callable
from typing import Any

import anthropic
import openai
import pytest

from accounts.models import User
from providers.models import Provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.stand_in import Replay, StandIn

# Long enough for any machine: what is waited for is the event itself.
SOON_S = 20
HELLO: Any = [{"role": "user", "content": "hello there"}]
Ask = Callable[..., Any]
Vendor = tuple[Any, Ask]


def _ask_openai(client: Any, **fields: Any) -> Any:
    return client.chat.completions.create(**{"model": "m", "messages": HELLO} | fields)


def _ask_anthropic(client: Any, **fields: Any) -> Any:
    return client.messages.create(**{"model": "m", "messages": HELLO, "max_tokens": 9} | fields)


@pytest.fixture(params=["openai", "anthropic"])
def vendor(request: Any, live_url: str, make_key: MakeKey) -> Vendor:
    """The SDK of one of them with its own two retries, and how it is asked."""
    if request.param == "openai":
        return openai.OpenAI(base_url=f"{live_url}/v1", api_key=make_key()), _ask_openai
    return anthropic.Anthropic(base_url=live_url, api_key=make_key()), _ask_anthropic


@pytest.fixture
def waits(vendor: Vendor, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the SDK would have waited before each retry; it waits not at all."""
    client, found = vendor[0], list[float]()
    wait_of = client._calculate_retry_timeout

    def note(*args: Any, **kwargs: Any) -> float:
        found.append(wait_of(*args, **kwargs))
        return 0

    monkeypatch.setattr(client, "_calculate_retry_timeout", note)
    return found


@pytest.mark.parametrize(
    ("mode", "requests"),
    [("429", 3), ("500", 3), ("overloaded", 3), ("401", 1), ("403", 1), ("redirect", 1)],
)
def test_it_retries_where_that_may_help(
    vendor: Vendor,
    waits: list[float],
    remote: Provider,
    stand_in: StandIn,
    recorded: Records,
    mode: str,
    requests: int,
) -> None:
    """Each try reaches the provider once: the gateway adds none of its own."""
    client, ask = vendor
    stand_in.mode = mode
    with pytest.raises((openai.APIStatusError, anthropic.APIStatusError)):
        ask(client)
    assert len(stand_in.seen) == requests and len(recorded(requests)) == requests
    assert len(waits) == requests - 1
    if mode == "429":
        assert waits == [7, 7], "as long as the provider asked"


def test_it_waits_for_our_own_limits(
    live_url: str, make_key: MakeKey, vendor: Vendor, waits: list[float], echo: Provider
) -> None:
    client, ask = vendor
    client.api_key = make_key(rpm=1)
    ask(client, model="echo")
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)):
        ask(client, model="echo")
    assert len(waits) == 2 and all(1 <= wait <= 61 for wait in waits)


def test_it_does_not_try_again_where_a_budget_is_spent(
    make_key: MakeKey, vendor: Vendor, waits: list[float], echo: Provider
) -> None:
    client, ask = vendor
    client.api_key = make_key(budget_usd=0)
    with pytest.raises((openai.RateLimitError, anthropic.RateLimitError)):
        ask(client, model="echo")
    assert waits == []


@pytest.mark.parametrize(
    ("mode", "changes", "name"),
    [
        ("401", {}, "InternalServerError"),
        ("429", {}, "RateLimitError"),
        ("500", {}, "InternalServerError"),
        ("overloaded", {}, "InternalServerError"),
        ("html", {}, "InternalServerError"),
        ("ok", {"model": "nothing"}, "NotFoundError"),
        ("ok", {"messages": []}, "BadRequestError"),
        ("ok", {"extra_headers": {"host": "evil.example"}}, "BadRequestError"),
        ("ok", {"messages": [{"role": "user", "content": "x" * 2000}]}, "APIStatusError"),
        ("key", {}, "AuthenticationError"),
    ],
)
def test_errors_are_the_sdks_own(
    vendor: Vendor,
    remote: Provider,
    stand_in: StandIn,
    settings: Any,
    mode: str,
    changes: dict[str, Any],
    name: str,
) -> None:
    client, ask = vendor
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1500
    stand_in.mode, client.max_retries = mode, 0
    if mode == "key":
        client.api_key = "llmp_no.no"
    package: Any = openai if isinstance(client, openai.OpenAI) else anthropic
    for is_stream in (False, True):
        with pytest.raises(getattr(package, name)) as found:
            ask(client, stream=is_stream, **changes)
        error: Any = found.value
        assert error.request_id and error.request_id == error.response.headers["x-request-id"]
        assert error.response.headers["content-type"] == "application/json"


def test_a_provider_that_says_nothing_is_a_timeout(
    vendor: Vendor, remote: Provider, stand_in: StandIn
) -> None:
    client, ask = vendor
    Provider.objects.update(read_timeout_s=1, answer_timeout_s=1)
    stand_in.mode, client.max_retries = "hang", 0
    for is_stream in (False, True):
        with pytest.raises((openai.InternalServerError, anthropic.InternalServerError)) as found:
            ask(client, stream=is_stream)
        assert found.value.status_code == 504
        assert found.value.response.headers["x-should-retry"] == "true"


@pytest.mark.parametrize(
    ("kind", "example"), [("openai", "openai_text"), ("anthropic", "anthropic_thinking_tool")]
)
def test_a_provider_that_falls_silent_ends_the_stream_with_an_error(
    vendor: Vendor,
    replayed: Callable[..., Provider],
    replay: Replay,
    recorded: Records,
    kind: str,
    example: str,
) -> None:
    """Passed on or translated: half an answer is never taken for a whole one."""
    client, ask = vendor
    replayed(kind)
    Provider.objects.update(read_timeout_s=1)
    replay.mode, replay.is_held = example, True
    events = []
    with pytest.raises((openai.APIError, anthropic.APIError)):
        for event in ask(client, stream=True):
            events.append(event)
    assert events and replay.has_left.wait(SOON_S)
    [row] = recorded(1)
    assert (row.status, row.error_code) == ("interrupted", "timeout")


async def test_the_asynchronous_sdks_stream(
    live_url: str, transactional_db: None, alice: User
) -> None:
    from asgiref.sync import sync_to_async

    from accounts.services import create_key
    from providers.services import create_provider

    make = sync_to_async(create_provider)
    await make(actor=alice, preset="echo", name="echo")
    _row, key = await sync_to_async(create_key)(user=alice, name="suite")
    async with openai.AsyncOpenAI(base_url=f"{live_url}/v1", api_key=key) as client:
        chunks = await _ask_openai(client, model="echo", stream=True)
        texts = [chunk.choices[0].delta.content or "" async for chunk in chunks if chunk.choices]
        assert "".join(texts) == "hello there"
    async with anthropic.AsyncAnthropic(base_url=live_url, api_key=key) as other:
        asked: Any = {"model": "echo", "max_tokens": 9, "messages": HELLO}
        async with other.messages.stream(**asked) as stream:
            assert "".join([text async for text in stream.text_stream]) == "hello there"


# --- Leaving -------------------------------------------------------------------

STREAMED = [
    *(("openai", "openai_text"), ("azure", "odd_azure_first_chunk")),
    *(("responses", "responses_tool"), ("anthropic", "anthropic_thinking_tool")),
    *(("gemini", "gemini_thinking_tool"), ("ollama", "ollama_thinking_tool")),
    *(("cohere", "cohere_text"), ("dify", "dify_chat")),
]


@pytest.mark.parametrize(("kind", "example"), STREAMED)
def test_a_stream_that_is_closed_early_ends_the_providers(
    vendor: Vendor,
    replayed: Callable[..., Provider],
    replay: Replay,
    recorded: Records,
    kind: str,
    example: str,
) -> None:
    client, ask = vendor
    replayed(kind)
    replay.mode, replay.is_held = example, True
    stream = ask(client, stream=True)
    next(iter(stream))
    assert not replay.has_left.is_set()
    stream.close()
    assert replay.has_left.wait(SOON_S)
    [row] = recorded(1)
    assert (row.status, row.error_code) == ("stopped", "client_left")


@pytest.mark.parametrize("kind", [kind for kind, _example in STREAMED])
def test_a_timeout_of_the_client_ends_the_providers_request(
    vendor: Vendor,
    replayed: Callable[..., Provider],
    replay: Replay,
    recorded: Records,
    kind: str,
) -> None:
    client, ask = vendor
    replayed(kind)
    replay.mode, client.max_retries = "hang", 0
    for count, is_stream in enumerate((False, True), start=1):
        replay.has_left.clear()
        with pytest.raises((openai.APITimeoutError, anthropic.APITimeoutError)):
            ask(client, stream=is_stream, timeout=0.5)
        assert replay.has_left.wait(SOON_S)
        assert recorded(count)[-1].status == "stopped"
