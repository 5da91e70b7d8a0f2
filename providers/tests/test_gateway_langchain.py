"""LangChain's OpenAI client against the gateway, in front of echo, OpenAI's dialect and others."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

from providers.models import Provider
from providers.tests.conftest import MakeKey
from providers.tests.stand_in import Replay, StandIn


class Weather(BaseModel):
    """Weather of a city"""

    city: str = Field(description="its name")


@pytest.fixture
def chain(live_url: str, make_key: MakeKey) -> Callable[..., Any]:
    """Typed loosely, as the SDKs are."""

    def make(model: str = "m", **fields: Any) -> Any:
        return ChatOpenAI(
            model=model, base_url=f"{live_url}/v1", api_key=make_key(), max_retries=0, **fields
        )

    return make


def test_it_asks_and_counts(chain: Callable[..., Any], echo: Provider) -> None:
    answer = chain("echo").invoke([("system", "Be short."), ("human", "hello there")])
    assert answer.content == "hello there"
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata["output_tokens"] > 0


def test_it_streams(chain: Callable[..., Any], remote: Provider) -> None:
    chunks = list(chain(stream_usage=True).stream("hello"))
    assert "".join(chunk.content for chunk in chunks) == "one two three"
    whole = chunks[0]
    for chunk in chunks[1:]:
        whole += chunk
    assert whole.usage_metadata["output_tokens"] == 3


def test_it_streams_asynchronously(chain: Callable[..., Any], echo: Provider) -> None:
    async def read(model: Any) -> list[str]:
        return [chunk.content async for chunk in model.astream("one two three four")]

    pieces = asyncio.run(read(chain("echo")))
    assert "".join(pieces) == "one two three four" and len(pieces) > 2


def test_it_calls_tools(chain: Callable[..., Any], remote: Provider, stand_in: StandIn) -> None:
    stand_in.mode = "tools"
    bound = chain().bind_tools([Weather])
    whole = bound.invoke("Weather in Bern?")
    gathered = None
    for chunk in bound.stream("Weather in Bern?"):
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered is not None
    for answer in (whole, gathered):
        [call] = answer.tool_calls
        assert (call["name"], call["args"], call["id"]) == ("Weather", {"city": "Bern"}, "c1")
    sent = stand_in.seen[0]["tools"][0]["function"]
    assert sent["name"] == "Weather" and "city" in sent["parameters"]["properties"]


def test_it_calls_tools_of_another_dialect(
    chain: Callable[..., Any], replayed: Callable[..., Provider], replay: Replay
) -> None:
    replayed("anthropic")
    replay.mode = "anthropic_thinking_tool"
    gathered = None
    for chunk in chain().bind_tools([Weather]).stream("Weather in Bern?"):
        gathered = chunk if gathered is None else gathered + chunk
    assert gathered is not None
    [call] = gathered.tool_calls
    assert (call["name"], call["args"]) == ("get_weather", {"city": "Bern"})
    assert replay.seen[0]["tools"][0]["name"] == "Weather"


@pytest.mark.parametrize("method", ["json_schema", "json_mode", "function_calling"])
def test_it_gets_structured_output(
    chain: Callable[..., Any], remote: Provider, echo: Provider, stand_in: StandIn, method: str
) -> None:
    stand_in.mode = "tools"
    model = "m" if method == "function_calling" else "echo"
    structured = chain(model).with_structured_output(Weather, method=method)
    assert structured.invoke('{"city": "Bern"}') == Weather(city="Bern")
    if method == "function_calling":
        assert stand_in.seen[0]["tool_choice"]["function"]["name"] == "Weather"


@pytest.mark.parametrize(
    ("kind", "example"), [("openai", "openai_embeddings"), ("cohere", "cohere_embed")]
)
def test_it_embeds(
    live_url: str,
    make_key: MakeKey,
    replayed: Callable[..., Provider],
    replay: Replay,
    kind: str,
    example: str,
) -> None:
    """Without its own counting of tokens, for which it would fetch OpenAI's word list."""
    replayed(kind, "embedding")
    replay.mode = example
    embeddings: Any = OpenAIEmbeddings
    client = embeddings(
        model="m", base_url=f"{live_url}/v1", api_key=make_key(), check_embedding_ctx_length=False
    )
    first, second = client.embed_documents(["a", "b"])
    assert first == pytest.approx([0.1, 0.2]) and second == pytest.approx([0.3, 0.4])
