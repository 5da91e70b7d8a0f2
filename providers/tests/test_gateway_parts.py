"""The parts of the gateway apart: names, limits, snapshots, records, decoding, the way out."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.utils import timezone

from accounts.models import ApiKey, User
from providers.adapters.answers import as_count
from providers.charging import current_tariff
from providers.errors import InvalidAnswer, ProviderError, Unavailable
from providers.gateway import clock as clock_module
from providers.gateway import exchange as exchange_module
from providers.gateway.app import Gateway
from providers.gateway.authentication import Caller, Keyring, load_callers
from providers.gateway.clock import SlowClock
from providers.gateway.compose import Identity
from providers.gateway.core import Core
from providers.gateway.errors import GatewayError
from providers.gateway.exchange import ClientLeft, Exchange
from providers.gateway.ledger_writing import insert_records, write
from providers.gateway.limits import Holder
from providers.gateway.passthrough import ForwardedStream, forwarded_answer
from providers.gateway.records import Call, Recorder, new_call_id
from providers.gateway.routing import Catalogue, Directory, Route
from providers.gateway.snapshot import Refreshed
from providers.models import CallRecord
from providers.tests.clock import Clock
from providers.tests.stand_in import STREAMS, USAGE, chunk, sse
from providers.tokens import estimated_prompt_tokens, estimated_tokens
from providers.types import Target, Usage

IDENTITY = Identity("chatcmpl-1", "m", created=7)


def route(model_id: str, provider: str = "p", pk: int = 1, owner_id: int | None = None) -> Route:
    target = Target("echo", "", "", model_id, False, provider_id=pk, provider_name=provider)
    return Route(target, "chat", ("chat",), "", owner_id, 0)


def caller(user_id: int = 1, *allowed: str) -> Caller:
    return Caller(1, user_id, frozenset(allowed), None, None)


# --- Names -------------------------------------------------------------------


def test_every_listed_name_leads_back_to_its_model() -> None:
    routes = [
        *(route("a", "p", 1), route("a", "q", 2), route("b", "p", 1), route("b", "p", 3)),
        # The id of one model is the qualified name of another.
        *(route("p/c", "q", 2), route("c", "p", 1), route("lone", "Qwen", 4)),
    ]
    catalogue = Catalogue(routes)
    names = [catalogue.name_of(each) for each in routes]
    assert names == ["p/a", "q/a", "p#1/b", "p#3/b", "q/p/c", "c", "lone"]
    assert [catalogue.resolve(name) for name in names] == routes
    assert catalogue.resolve("p/c").model_id == "c", "the qualified name comes first"


def test_a_directory_shows_shared_and_own_routes_only() -> None:
    directory = Directory([route("s"), route("mine", owner_id=1), route("yours", owner_id=2)])
    seen = {r.model_id for r in directory.for_caller(caller(1)).routes}
    assert seen == {"s", "mine"}
    assert [r.model_id for r in directory.for_caller(caller(3)).routes] == ["s"]
    narrow = directory.for_caller(caller(1, "p/mine", "yours"))
    assert [r.model_id for r in narrow.routes] == ["mine"]
    assert directory.for_caller(caller(1)) is directory.for_caller(caller(1))


# --- Snapshots ---------------------------------------------------------------


async def test_a_snapshot_is_renewed_while_it_is_used() -> None:
    clock, loads = Clock(), 0

    async def load() -> int:
        nonlocal loads
        loads += 1
        return loads

    cell = Refreshed(load, refresh_after_s=2, usable_for_s=3, clock=clock)
    assert await asyncio.gather(*(cell.get() for _each in range(5))) == [1] * 5
    clock.now += 2.5
    assert await cell.get() == 1, "nobody waits while it is usable"
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert await cell.get() == 2
    clock.now += 3.5
    assert await cell.get() == 3, "too old: wait for the new one"


async def test_a_snapshot_outlives_a_short_failure_of_the_database() -> None:
    clock = Clock()
    answers: list[Any] = [1, OperationalError(), OperationalError(), 2]

    async def load() -> int:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    cell = Refreshed(load, refresh_after_s=2, usable_for_s=3, clock=clock)
    assert await cell.get() == 1
    clock.now += 2.5
    assert await cell.get() == 1
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    clock.now += 1
    with pytest.raises(OperationalError):
        await cell.get()
    assert await cell.get() == 2


async def test_an_expired_snapshot_is_read_again_even_where_a_reading_runs() -> None:
    value, gate = "old", asyncio.Event()

    async def load() -> str:
        read = value
        await gate.wait()
        return read

    cell = Refreshed(load, clock=Clock())
    early = asyncio.create_task(cell.get())
    for _step in range(2):  # the task, then its reading
        await asyncio.sleep(0)
    value = "new"
    cell.expire()
    late = asyncio.create_task(cell.get())
    await asyncio.sleep(0)
    gate.set()
    assert (await early, await late) == ("old", "new")
    assert await cell.get() == "new"


async def ask(gateway: Gateway, path: str, key: str) -> tuple[int, dict[str, Any], dict[str, Any]]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"testserver"), (b"authorization", f"Bearer {key}".encode())]
    scope = {"type": "http", "method": "GET", "path": path, "headers": headers}
    await gateway(scope, receive, send)
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, json.loads(sent[1]["body"])


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("secret detail"), 503, "service_unavailable"),
        (RuntimeError("secret detail"), 500, "internal_error"),
    ],
)
async def test_what_breaks_inside_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, error: Exception, status: int, code: str
) -> None:
    async def fail(self: Keyring, token: str) -> None:
        raise error

    monkeypatch.setattr(Keyring, "caller", fail)
    found, headers, body = await ask(Gateway(), "/v1/models", "llmp_x.y")
    assert (found, body["error"]["code"]) == (status, code)
    assert "secret" not in json.dumps(body)
    assert ("retry-after" in headers) == (status == 503)


def test_only_live_keys_are_loaded(transactional_db: None, alice: User, bob: User) -> None:
    keys = [ApiKey.issue(user=user, name="k")[0] for user in (alice, alice, bob, bob)]
    keys[0].rpm = 5
    keys[0].allowed_models = ["m"]
    keys[0].save()
    ApiKey.objects.filter(pk=keys[1].pk).update(revoked_at=timezone.now())
    ApiKey.objects.filter(pk=keys[2].pk).update(expires_at=timezone.now())
    User.objects.filter(pk=bob.pk).update(is_active=False)
    found = load_callers([key.pk for key in keys])
    limited = (Holder("key", keys[0].pk, rpm=5),)
    assert list(found.values()) == [Caller(keys[0].pk, alice.pk, frozenset({"m"}), limited, None)]


async def test_a_warm_key_needs_no_query(
    transactional_db: None, alice: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    from asgiref.sync import sync_to_async

    _row, text = await sync_to_async(ApiKey.issue)(user=alice, name="k")
    core = Core()
    first = await core.keyring.caller(text)
    assert first is not None and first.user_id == alice.pk

    async def forbidden(*args: Any) -> None:
        raise AssertionError("a query")

    monkeypatch.setattr("providers.gateway.authentication.in_database", forbidden)
    assert await core.keyring.caller(text) == first
    assert await core.keyring.caller("é" * 3) is None
    assert await core.keyring.caller("x" * 201) is None


async def test_a_refused_key_is_remembered_for_a_moment(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("providers.gateway.authentication.KEYS_KEPT", 10)
    keyring = Keyring()
    for number in range(30):
        assert await keyring.caller(f"llmp_abc.{number}") is None
    assert len(keyring._refused) <= 10

    async def forbidden(*args: Any) -> None:
        raise AssertionError("a query")

    monkeypatch.setattr("providers.gateway.authentication.in_database", forbidden)
    assert await keyring.caller("llmp_abc.29") is None


# --- Records -----------------------------------------------------------------


def finished(**fields: Any) -> Call:
    call = Call(user_id=1, key_id=1, **fields)
    call.end("done")
    return call


async def test_records_wait_for_the_database() -> None:
    written: list[Call] = []
    failures = [OperationalError(), OperationalError()]

    async def store(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        if failures:
            raise failures.pop()
        written.extend(calls)

    recorder = Recorder(store, interval_s=0.01)
    calls = [finished() for _each in range(250)]
    for call in calls:
        recorder.put(call)
    for _attempt in range(500):
        if len(written) == len(calls):
            break
        await asyncio.sleep(0.01)
    assert written == calls, "all of them, in order"


async def test_records_are_written_at_shutdown_and_losses_are_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    written: list[Call] = []

    async def store(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        written.extend(calls)

    recorder = Recorder(store, capacity=3, interval_s=60)
    calls = [finished() for _each in range(5)]
    for call in calls:
        recorder.put(call)
    await recorder.close()
    assert written == calls[2:]
    assert "2 call records are lost" in caplog.text

    async def fail(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        raise OperationalError

    broken = Recorder(fail, interval_s=60)
    broken.put(finished())
    await broken.close()
    assert "1 call records are lost" in caplog.text


def test_a_deleted_user_loses_no_record(transactional_db: None, alice: User) -> None:
    key, _text = ApiKey.issue(user=alice, name="k")
    good = Call(user_id=alice.pk, key_id=key.pk, model_label="m")
    gone = Call(user_id=alice.pk + 999, key_id=key.pk, model_label="m")
    write([good, gone], [key.pk])
    assert [row.user_id for row in CallRecord.objects.order_by("pk")] == [alice.pk, None]
    key.refresh_from_db()
    used = key.last_used_at
    assert used is not None
    write([], [key.pk])
    key.refresh_from_db()
    assert key.last_used_at == used, "once a minute"


def test_what_is_inserted_is_what_a_record_says(db: None, alice: User) -> None:
    """Every kind of value, on every database."""
    key, _text = ApiKey.issue(user=alice, name="k")
    call = Call(user_id=alice.pk, key_id=key.pk, model_label="模型", attempts=[{"model": "a/b"}])
    call.usage = Usage(prompt_tokens=3, completion_tokens=2, cost=Decimal("0.0000012345"))
    call.end("done")
    fields = call.fields(current_tariff())
    insert_records([fields])
    row = CallRecord.objects.get()
    for name, value in fields.items():
        assert getattr(row, name) == value, name
    assert row.cost == Decimal("0.0000012345") and row.at.tzinfo is not None
    with pytest.raises(IntegrityError), transaction.atomic():
        insert_records([fields])


def test_one_record_that_no_database_takes_leaves_the_others(
    transactional_db: None, alice: User, caplog: pytest.LogCaptureFixture
) -> None:
    key, _text = ApiKey.issue(user=alice, name="k")
    calls = [Call(user_id=alice.pk, key_id=key.pk, model_label=name) for name in ("a", "b", "c")]
    calls[1].usage = Usage(prompt_tokens=2**64)
    write(calls, [])
    assert [row.model_label for row in CallRecord.objects.order_by("pk")] == ["a", "c"]
    assert str(calls[1].call_id) in caplog.text


async def test_a_batch_that_cannot_be_written_does_not_stop_the_next() -> None:
    written: list[Call] = []

    async def store(calls: Sequence[Call], used_keys: Sequence[int]) -> None:
        if len(calls) > 1:
            raise OverflowError
        written.extend(calls)

    recorder = Recorder(store, interval_s=0.01)
    for _each in range(2):
        recorder.put(finished())
    await asyncio.sleep(0.05)
    last = finished()
    recorder.put(last)
    await recorder.close()
    assert written == [last]


def test_absurd_counts_are_unknown() -> None:
    assert [as_count(each) for each in (0, 5, 2**31 - 1, 2**31, -1, True, "5", 5.0)] == [
        *(0, 5, 2**31 - 1),
        *[None] * 5,
    ]


def test_ids_of_calls_grow() -> None:
    ids = [new_call_id() for _each in range(3000)]
    assert len(set(ids)) == len(ids) and {each.version for each in ids} == {7}
    assert [each.int >> 80 for each in ids] == sorted(each.int >> 80 for each in ids)


def test_an_estimate_is_one_only_once_an_answer_has_begun() -> None:
    call = finished(estimated_prompt=5)
    assert call.final_usage() == (Usage(), False)
    call.note_text("four")
    assert call.final_usage() == (Usage(5, 1), True)
    call.usage = Usage(prompt_tokens=3, completion_tokens=2)
    assert call.final_usage() == (Usage(3, 2), False)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [("", 0, 0), ("a" * 400, 100, 100), ("你好" * 50, 100, 100), ("é" * 40, 20, 30)],
)
def test_estimated_tokens(text: str, low: float, high: float) -> None:
    assert low <= estimated_tokens(text) <= high


def test_a_prompt_is_estimated_from_texts_and_images() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:" + "x" * 10_000}}
    parts = [{"type": "text", "text": "a" * 40}, image]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": None}]
    assert estimated_prompt_tokens(messages) == 3 + 2 * 4 + 10 + 1000


# --- Decoding ----------------------------------------------------------------


def forward(data: Sequence[bytes], *, wants_usage: bool = True) -> tuple[bytes, Call]:
    call = Call(user_id=1, key_id=1)
    stream = ForwardedStream(IDENTITY, call, wants_usage=wants_usage)
    found = b""
    for each in data:
        found += stream.feed(each)
        if stream.failure is not None:
            raise stream.failure
    return found + stream.finish(), call


@pytest.mark.parametrize("mode", ["ok", "bare", "reasoning", "no-usage", "noise", "separators"])
def test_a_stream_passes_the_same_wherever_it_is_cut(mode: str) -> None:
    data = STREAMS[mode]
    whole, _call = forward([data])
    for position in range(1, len(data)):
        cut, call = forward([data[:position], data[position:]])
        assert cut == whole
        assert call.first is not None
    bytewise, _call = forward([bytes([byte]) for byte in data])
    assert bytewise == whole


def test_missing_fields_are_filled_in() -> None:
    found, _call = forward([STREAMS["bare"]], wants_usage=False)
    events = [json.loads(line[6:]) for line in found.decode().split("\n\n")[:2]]
    assert events[0] == {
        **{"id": "lf", "object": "chat.completion.chunk", "created": 7, "model": "m"},
        "choices": [{"index": 0, "delta": {"content": "hi"}, "finish_reason": None}],
    }
    assert events[1]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}


@pytest.mark.parametrize("usage", [None, {}, [], {"prompt_tokens": -1}, {"prompt_tokens": "7"}])
def test_senseless_usage_is_unknown(usage: Any) -> None:
    _found, call = forward([sse(chunk({"content": "x"}, "stop", usage=usage))])
    assert call.usage in (None, Usage())


def test_usage_is_counted_once() -> None:
    twice = [chunk({"content": "x"}, "stop", usage=USAGE), chunk({}, choices=[], usage=USAGE)]
    _found, call = forward([sse(*twice)])
    assert call.usage == Usage(9, 3, 1, 4)


def test_what_follows_the_end_is_dropped() -> None:
    found, _call = forward([STREAMS["ok"] + sse(chunk({"content": "more"}))])
    assert b"more" not in found and found.endswith(b"[DONE]\n\n")


def test_an_indented_event_stays_one_line() -> None:
    text = json.dumps(chunk({"content": "x"}, "stop"), indent=1).replace("\n", "\ndata: ")
    found, _call = forward([f"data: {text}\n\n".encode()], wants_usage=False)
    assert found.count(b"\n\n") == 2 and json.loads(found.split(b"\n\n")[0][6:])


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", InvalidAnswer),
        (b"data: {}\n\n", InvalidAnswer),
        (sse(chunk({"content": "x"})), Unavailable),
        (sse({"code": 10013, "message": "no"}), ProviderError),
        (sse({"error": "gone"}), Unavailable),
        (b"data: x\n\n" * 10, InvalidAnswer),
        (b"x" * 5_000_000, InvalidAnswer),
        (b"data: " + b"x" * 5_000_000 + b"\n\n", InvalidAnswer),
    ],
)
def test_a_stream_without_a_good_end_raises(data: bytes, kind: type[ProviderError]) -> None:
    with pytest.raises(kind):
        forward([data])


def test_a_whole_answer_passes_untouched_or_completed() -> None:
    call = Call(user_id=1, key_id=1)
    answer: dict[str, Any] = {
        **{"id": "x", "object": "chat.completion", "created": 1, "model": "m"},
        "choices": [{"index": 0, "message": {"content": "hi"}, "finish_reason": "stop"}],
        "usage": USAGE,
    }
    raw = json.dumps(answer, indent=3).encode()
    assert forwarded_answer(raw, lambda: IDENTITY, call) == raw
    del answer["id"], answer["choices"][0]["index"], answer["usage"]
    answer["created"] = None
    made = json.loads(forwarded_answer(json.dumps(answer).encode(), lambda: IDENTITY, call))
    assert (made["id"], made["created"], made["choices"][0]["index"]) == ("chatcmpl-1", 7, 0)
    assert made["usage"]["estimated"] is True, "some clients fail without counts"


# --- The caller -------------------------------------------------------------


async def test_a_silent_stream_is_kept_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "HEARTBEAT_S", 0.02)
    sent: list[Any] = []
    never = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await never.wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, receive, send)
    exchange.expect_stream()
    await exchange.while_connected(asyncio.sleep(0.4), SlowClock())
    assert exchange.is_started and not exchange.has_spoken, "another model may still answer"
    assert sent[0]["type"] == "http.response.start"
    assert sent[1]["body"] == b": keep-alive\n\n"
    await exchange.fail(GatewayError(502, "gone"))
    assert sent[-2]["body"].startswith(b'data: {"error"') and not sent[-1].get("more_body")


async def test_anthropics_clients_are_kept_waiting_by_pings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exchange_module, "HEARTBEAT_S", 0.02)
    sent: list[Any] = []
    is_pinged, never = asyncio.Event(), asyncio.Event()

    async def receive() -> dict[str, Any]:
        await never.wait()
        return {}

    async def send(message: Any) -> None:
        sent.append(message)
        if "body" in message:
            is_pinged.set()

    async def work() -> None:
        await is_pinged.wait()

    scope = {"type": "http", "method": "POST", "path": "/v1/messages", "headers": []}
    exchange = Exchange(scope, receive, send)
    exchange.expect_stream()
    await exchange.while_connected(work(), SlowClock())
    assert sent[1]["body"] == b'event: ping\ndata: {"type": "ping"}\n\n'


async def test_a_body_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "BODY_WITHIN_S", 0.02)

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0.005)
        return {"type": "http.request", "body": b"x", "more_body": True}

    async def send(message: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    with pytest.raises(GatewayError) as error:
        await Exchange(scope, receive, send).read_body(1000)
    assert error.value.status == 408


@pytest.mark.parametrize("when", ["during", "after"])
async def test_who_leaves_cancels_the_work(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    monkeypatch.setattr(exchange_module, "WATCH_AFTER_S", 0)
    has_left = asyncio.Event()

    async def receive() -> dict[str, Any]:
        await has_left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        raise AssertionError

    async def work() -> str:
        await asyncio.sleep(0.25)
        has_left.set()
        if when == "during":
            await asyncio.sleep(60)
        return "done"

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, receive, send)
    if when == "during":
        with pytest.raises(ClientLeft):
            await exchange.while_connected(work(), SlowClock())
    else:
        assert await exchange.while_connected(work(), SlowClock()) == "done"
    task = asyncio.current_task()
    assert task is not None and not task.cancelling()
    await asyncio.sleep(0.02)  # nothing comes later


async def test_a_cancelled_call_is_no_client_that_left() -> None:
    async def receive() -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send(message: Any) -> None:
        raise AssertionError

    scope = {"type": "http", "method": "POST", "path": "/", "headers": []}
    exchange = Exchange(scope, receive, send)
    task = asyncio.create_task(exchange.while_connected(asyncio.sleep(60), SlowClock()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_alarms_ring_late_and_never_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock_module, "RESOLUTION_S", 0.01)
    clock, rung = SlowClock(), list[tuple[str, float]]()
    started = clock.now()

    def note(name: str) -> None:
        rung.append((name, clock.now()))

    for name, after_s in (("b", 0.05), ("a", 0.02), ("never", 0.03), ("c", 0.05)):
        alarm = clock.alarm(after_s, partial(note, name))
        if name == "never":
            alarm.cancel()
    clock.alarm(0.06, lambda: clock.alarm(0.01, partial(note, "d")))
    while len(rung) < 4:
        await asyncio.sleep(0.01)
    assert [name for name, _at in rung] == ["a", "b", "c", "d"]
    least = {"a": 0.02, "b": 0.05, "c": 0.05, "d": 0.07}
    assert all(at - started >= least[name] for name, at in rung)
