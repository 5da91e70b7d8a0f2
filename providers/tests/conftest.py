"""What the gateway's tests share: a stand-in provider, keys, the official SDK, call records."""

import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio

from accounts.models import ApiKey, User
from providers.gateway.limits.shared import RedisStore
from providers.models import CallRecord, Provider, ProviderModel
from providers.services import create_provider
from providers.tests.clock import Clock
from providers.tests.dify_server import DifyServer
from providers.tests.redis import URL, MakeRedis
from providers.tests.stand_in import Replay, StandIn

MakeKey = Callable[..., str]
Records = Callable[[int], list[CallRecord]]


@pytest.fixture
def stand_in(settings: Any) -> Iterator[StandIn]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = StandIn()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def replay(settings: Any) -> Iterator[Replay]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = Replay()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def dify(settings: Any) -> Iterator[DifyServer]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    server = DifyServer()
    server.start()
    yield server
    server.is_held = False
    server.stop()


@pytest.fixture
def replayed(transactional_db: None, replay: Replay, alice: User) -> Callable[..., Provider]:
    """Alice's connection of any kind to the wire examples, with the model `m`."""

    def make(kind: str, *types: str) -> Provider:
        provider = create_provider(
            actor=alice, kind=kind, name=kind, base_url=replay.url, api_key="sk-stored-key-12345"
        )
        types = types or ("chat",)
        ProviderModel.objects.create(
            provider=provider, model_id="m", name="m", types=list(types), main_type=types[0]
        )
        return provider

    return make


@pytest.fixture
def remote(transactional_db: None, stand_in: StandIn, alice: User) -> Provider:
    """Alice's connection to the stand-in, with the model `m`."""
    provider = create_provider(
        actor=alice, kind="openai", name="up", base_url=stand_in.url, api_key="sk-stored-key-12345"
    )
    ProviderModel.objects.create(provider=provider, model_id="m", name="m", types=["chat"])
    return provider


@pytest.fixture
def echo(transactional_db: None, alice: User) -> Provider:
    return create_provider(actor=alice, preset="echo", name="echo")


@pytest.fixture
def make_key(transactional_db: None, alice: User) -> MakeKey:
    def make(user: User = alice, **limits: Any) -> str:
        """With any names of models: they may have been there when it was made."""
        return ApiKey.issue(user=user, name="suite", **limits)[1]

    return make


@pytest.fixture
def sdk_for(live_url: str, make_key: MakeKey) -> Callable[..., Any]:
    """The official SDK; typed loosely, since messages are plain dictionaries here."""

    def make(key: str = "") -> Any:
        return openai.OpenAI(base_url=f"{live_url}/v1", api_key=key or make_key(), max_retries=0)

    return make


@pytest.fixture
def sdk(sdk_for: Callable[..., Any]) -> Any:
    return sdk_for()


@pytest.fixture
def claude(live_url: str, make_key: MakeKey) -> Any:
    """Anthropic's official SDK, typed as loosely."""
    return anthropic.Anthropic(base_url=live_url, api_key=make_key(), max_retries=0)


@pytest.fixture
def recorded() -> Records:
    """Waits until that many calls are written."""

    def wait(count: int) -> list[CallRecord]:
        for _attempt in range(200):
            rows = list(CallRecord.objects.order_by("pk"))
            if len(rows) >= count:
                return rows
            time.sleep(0.05)
        raise AssertionError(f"{len(rows)} records, not {count}")

    return wait


@pytest.fixture
def clock() -> Clock:
    return Clock(1_700_000_000.0)


@pytest_asyncio.fixture
async def make_redis(clock: Clock) -> AsyncIterator[MakeRedis]:
    """Stores that share their counts, which nobody else sees."""
    prefix, made = f"test:{uuid.uuid4().hex}:", []

    def make() -> RedisStore:
        made.append(RedisStore(URL, clock, prefix=prefix))
        return made[-1]

    yield make
    for store in made:
        await store.close()
