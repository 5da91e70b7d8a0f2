"""From a model to the events of an answer."""

import asyncio
import random
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from accounts.models import User
from providers.adapters.echo import EchoAdapter
from providers.asking import asked
from providers.dify.around import give_up, with_files
from providers.errors import NoSuchModel, ProviderError, TimedOut
from providers.models import ProviderModel
from providers.registry import ADAPTERS
from providers.retrying import may_help
from providers.types import ChatRequest, Event, Target


def resolve_chat_target(*, user: User, model_pk: int) -> Target:
    """The target of a model the user may use now. Raises NoSuchModel."""
    rows = ProviderModel.objects.for_user(user).usable().select_related("provider")
    return chat_target(user=user, model=rows.filter(pk=model_pk).first())


def chat_target(*, user: User, model: ProviderModel | None) -> Target:
    """The same of a model that was read just now, with its provider. Raises NoSuchModel."""
    if model is None or not model.is_usable_by(user):
        raise NoSuchModel
    return placed_target(model).asked_by(user.pk)


def placed_target(model: ProviderModel) -> Target:
    """One that answers for `model`, with its replicas as stand-ins."""
    # Only deployments of our own have replicas; other calls are spared the query.
    if not model.provider.is_managed:
        return target_of(model)
    replicas = [target_of(model), *map(target_of, model.stands_beside().select_related("provider"))]
    random.shuffle(replicas)
    return replace(replicas[0], stand_ins=replicas[1:])


def target_of(model: ProviderModel) -> Target:
    base = model.provider.target(model.model_id)
    return replace(base, model_pk=model.pk, defaults=model.defaults)


async def stream_chat(target: Target, request: ChatRequest) -> AsyncGenerator[Event, None]:
    """Events of one answer, of a stand-in's where `target` does not begin one. Raises
    ProviderError; closing it closes the upstream request."""
    *others, last = target, *target.stand_ins
    for each in others:
        has_begun = False
        try:
            async with aclosing(_answer(each, request)) as events:
                async for event in events:
                    has_begun = True
                    yield event
            return
        except ProviderError as error:
            if has_begun or not may_help(error):
                raise
    async with aclosing(_answer(last, request)) as events:
        async for event in events:
            yield event


async def _answer(target: Target, request: ChatRequest) -> AsyncGenerator[Event, None]:
    adapter = ADAPTERS[target.kind]
    if isinstance(adapter, EchoAdapter):
        for event in adapter.answer(request):
            await asyncio.sleep(0.01)
            yield event
        return
    request = await with_files(target, request)
    reader = adapter.reader(is_stream=request.is_stream, target=target)
    try:
        async with asked(
            target, lambda signed_in: adapter.chat(signed_in, request), is_stream=request.is_stream
        ) as answer:
            while data := await answer.piece():
                for event in reader.feed(data):
                    yield event
            for event in reader.finish():
                yield event
    except (GeneratorExit, asyncio.CancelledError, TimedOut):
        give_up(target, request, reader)
        raise
