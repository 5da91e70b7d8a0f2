"""Replicas of one model: calls are spread over them, one that fails costs nobody an answer."""

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from providers.errors import BadRequest
from providers.models import Provider, ProviderModel
from providers.services import (
    move_model,
    name_route,
    point_route,
    publish_model,
    resolve_chat_target,
    stand_together,
    stream_chat,
    withdraw_model,
)
from providers.tests.conftest import Records
from providers.tests.stand_in import StandIn
from providers.types import ChatMessage, ChatRequest, Target, TextDelta

HELLO = [{"role": "user", "content": "hello there"}]
CALLS = 16


@pytest.fixture
def servers() -> Iterator[list[StandIn]]:
    pair = [StandIn(), StandIn()]
    for server in pair:
        server.start()
    yield pair
    for server in pair:
        server.stop()


@pytest.fixture
def pair(remote: Provider, servers: list[StandIn], alice: User) -> list[ProviderModel]:
    made = [
        publish_model(
            name="tuned", base_url=server.url, api_key="sk-own", model_id="tuned", owner=alice
        )
        for server in servers
    ]
    stand_together(made)
    return made


def ask(sdk: Any, model: str = "tuned") -> None:
    assert sdk.chat.completions.create(model=model, messages=HELLO).choices[0].message.content


def test_calls_are_spread(
    sdk: Any, servers: list[StandIn], pair: list[ProviderModel], recorded: Records
) -> None:
    for _number in range(CALLS):
        ask(sdk)
    heard = [len(server.seen) for server in servers]
    assert sum(heard) == CALLS and min(heard) > 0, heard  # by chance once in 32,768 times
    assert {row.model_id for row in recorded(CALLS)} == {model.pk for model in pair}


def test_one_that_fails_costs_no_answer(
    sdk: Any, servers: list[StandIn], pair: list[ProviderModel]
) -> None:
    servers[0].mode = "500"
    for _number in range(CALLS):
        ask(sdk)
    assert len(servers[1].seen) == CALLS
    assert len(servers[0].seen) < CALLS / 2, "it rests for a while"


def test_a_route_and_its_alias_have_the_replicas_behind_them(
    sdk: Any, alice: User, servers: list[StandIn], pair: list[ProviderModel]
) -> None:
    route = point_route(route=None, owner=alice, name="t", model_id="tuned@production", to=pair[0])
    assert name_route(alias=None, owner=alice, name="short", route=route) is not None
    servers[0].mode = "500"
    for name in ("tuned@production", "short"):
        before = len(servers[1].seen)
        for _number in range(10):
            ask(sdk, name)
        assert len(servers[1].seen) == before + 10, name


def test_lists_name_the_first_alone(
    sdk: Any, alice: User, pair: list[ProviderModel], client_for: Callable[[User], Client]
) -> None:
    assert [row.id for row in sdk.models.list() if "tuned" in row.id] == ["tuned"]
    usable = ProviderModel.objects.for_user(alice).usable().filter(model_id="tuned")
    assert list(usable) == [pair[0]]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"is_enabled": False},
        {"missing_since": timezone.now()},
        {"provider__is_enabled": False},
        {"provider__owner": None},
        {"replica_of": "the other"},
    ],
)
def test_a_row_knows_who_may_use_it_as_the_query_does(
    alice: User, bob: User, remote: Provider, changed: dict[str, Any]
) -> None:
    model, other = (remote.models.create(model_id=name, name=name) for name in ("one", "two"))
    for name, value in changed.items():
        row, field = (model.provider, name[10:]) if name.startswith("provider__") else (model, name)
        setattr(row, field, other if value == "the other" else value)
        row.save()
    for user in (alice, bob):
        found = ProviderModel.objects.for_user(user).usable().filter(pk=model.pk).exists()
        assert model.is_usable_by(user) == found


def test_a_chat_reaches_each(alice: User, pair: list[ProviderModel]) -> None:
    met = {resolve_chat_target(user=alice, model_pk=pair[0].pk).model_pk for _ in range(CALLS)}
    assert met == {model.pk for model in pair}


@pytest.mark.parametrize("failing", [0, 1])
def test_a_chat_is_answered_by_the_other_where_one_fails(
    alice: User, servers: list[StandIn], pair: list[ProviderModel], failing: int
) -> None:
    servers[failing].mode = "500"
    for _number in range(4):
        assert "".join(asyncio.run(said(resolve_chat_target(user=alice, model_pk=pair[0].pk))))
    assert len(servers[1 - failing].seen) == 4


def test_a_chat_with_a_mistake_is_not_asked_twice(
    alice: User, servers: list[StandIn], pair: list[ProviderModel]
) -> None:
    for server in servers:
        server.mode = "400"
    with pytest.raises(BadRequest):
        asyncio.run(said(resolve_chat_target(user=alice, model_pk=pair[0].pk)))
    assert sum(len(server.seen) for server in servers) == 1


async def said(target: Target) -> list[str]:
    events = stream_chat(target, ChatRequest(target.model_id, [ChatMessage("user", "hello there")]))
    return [event.text async for event in events if isinstance(event, TextDelta)]


def test_where_the_first_has_gone_the_next_has_the_name(
    sdk: Any, servers: list[StandIn], pair: list[ProviderModel], recorded: Records
) -> None:
    withdraw_model(pair[0])
    pair[1].refresh_from_db()
    assert pair[1].replica_of_id is None
    stand_together([pair[1]])
    ask(sdk)
    assert len(servers[1].seen) == 1
    move_model(pair[1], servers[0].url)
    ask(sdk)
    assert len(servers[0].seen) == 1
    recorded(2)
