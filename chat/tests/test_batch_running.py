"""Batch comparisons as a worker runs them: with models without a network, failures, limits."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts.models import User, UserLimits, UserNotice
from chat.batches import claims
from chat.batches import services as batches
from chat.batches.calls import ATTEMPTS_MAX, Call
from chat.batches.running import BatchRunner
from chat.errors import WrongState
from chat.models import Batch, BatchCell, BatchStatus, CellStatus
from chat.tests.batch_rows import finished, make_batch
from providers.errors import Authentication, Overloaded, ProviderError, RateLimited
from providers.models import CallRecord, ProviderModel
from providers.types import ChatMessage, ChatRequest, Event, Finish, Target, TextDelta, Usage

Answer = Callable[[Target, str], str]
pytestmark = pytest.mark.django_db(transaction=True)


class Provider:
    """Says what `answer` says, or raises it; counts what it was asked, and how many at once."""

    def __init__(self, answer: Answer, *, takes_s: float = 0.0) -> None:
        self.answer, self.takes_s = answer, takes_s
        self.asked: list[str] = []
        self.now = self.most = 0
        self.lock = threading.Lock()

    async def stream(self, target: Target, request: ChatRequest) -> AsyncIterator[Event]:
        last = request.messages[-1]
        assert isinstance(last, ChatMessage)
        self.asked.append(last.content)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(self.takes_s)
            said = self.answer(target, last.content)
            yield TextDelta(said)
            yield Usage(prompt_tokens=5, completion_tokens=7)
            yield Finish("stop")
        finally:
            self.now -= 1


def repeat(target: Target, question: str) -> str:
    return question


def run(provider: Provider, wait_s: float = 20) -> BatchRunner:
    runner = BatchRunner(stream=provider.stream)
    runner.look()
    assert runner.wait(wait_s)
    return runner


@pytest.fixture
def models(echo: ProviderModel) -> list[ProviderModel]:
    """Three of one provider."""
    more = [
        ProviderModel.objects.create(
            provider=echo.provider, model_id=name, name=name, types=["chat"]
        )
        for name in ("second", "third")
    ]
    return [echo, *more]


def started(
    owner: User, models: list[ProviderModel], text: str = "a\nb\nc", **options: object
) -> Batch:
    batch = make_batch(owner, models, text, **options)
    batches.start(batch=batch, actor=owner)
    return batch


def test_every_cell_is_asked_once(alice: User, models: list[ProviderModel]) -> None:
    batch = started(alice, models, "a => a\nb => x", checks=[{"kind": "equals_reference"}])
    provider = Provider(repeat)
    run(provider)
    assert sorted(provider.asked) == ["a"] * 3 + ["b"] * 3
    batch.refresh_from_db()
    assert (batch.status, batch.ended_at is not None) == (BatchStatus.DONE, True)
    cell = batch.cells.filter(prompt__text="a").first()
    assert cell is not None
    assert (cell.answer, cell.passed, cell.prompt_tokens, cell.completion_tokens) == (
        "a",
        True,
        5,
        7,
    )
    assert cell.cost == 0 and cell.run is None and cell.finish_reason == "stop"
    assert (
        list(batch.cells.filter(prompt__text="b").values_list("passed", flat=True)) == [False] * 3
    )
    rows = CallRecord.objects.filter(source="batch", user=alice, status="done")
    assert rows.count() == 6
    notice = UserNotice.objects.get(user=alice)
    assert (notice.path, notice.level) == (f"/compare/batches/{batch.pk}/", "success")


def test_the_judge_scores_each_answer(alice: User, models: list[ProviderModel]) -> None:
    def said(target: Target, question: str) -> str:
        if "<answer>" not in question:
            return question
        return "no idea" if "<answer>\nb" in question else '{"score": 9, "reason": "well"}'

    batch = started(alice, models[:1], "a\nb", judge=models[2])
    run(Provider(said))
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DONE
    first, second = batch.cells.all()
    assert (first.score, first.judgement) == (9, {"reason": "well"})
    assert (second.score, second.judgement) == (None, {"error": "unreadable"})
    assert CallRecord.objects.filter(source="batch").count() == 4
    assert batches.retry(batch=batch, actor=alice) == 1  # the one without a score
    provider = Provider(lambda target, question: '{"score": 3, "reason": "now"}')
    run(provider)
    assert len(provider.asked) == 1
    assert BatchCell.objects.get(pk=second.pk).score == 3


def test_no_more_at_once_than_a_provider_is_to_be_asked(
    alice: User, bob: User, models: list[ProviderModel]
) -> None:
    """By all comparisons together, and they take turns."""
    text = "\n".join("abcdefgh")
    started(alice, models, text, calls_at_once=2)
    started(bob, models[:1], text, calls_at_once=2)
    provider = Provider(repeat, takes_s=0.02)
    run(provider, 40)
    assert provider.most == 2
    assert len(provider.asked) == 32
    done = CallRecord.objects.order_by("at", "pk").values_list("user", flat=True)
    assert set(done[:8]) == {alice.pk, bob.pk}


def test_it_goes_on_where_calls_end_while_more_are_looked_for(
    alice: User, models: list[ProviderModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing was free when the database was asked, and nothing runs any more when it answers."""
    batch = started(alice, models[:1], "a\nb\nc", calls_at_once=1)
    claim = claims.claim

    def slowly(room: int) -> list[Call]:
        found = claim(room)
        time.sleep(0 if found else 0.3)
        return found

    monkeypatch.setattr(claims, "claim", slowly)
    provider = Provider(repeat, takes_s=0.2)
    runner = BatchRunner(stream=provider.stream)
    runner.look()
    while not provider.asked:
        time.sleep(0.01)
    runner.look()
    assert runner.wait(20)
    batch.refresh_from_db()
    assert sorted(provider.asked) == ["a", "b", "c"] and batch.status == BatchStatus.DONE


def test_what_may_pass_is_asked_again(alice: User, models: list[ProviderModel]) -> None:
    failures = [Overloaded(), RateLimited(retry_after_s=1)]

    def said(target: Target, question: str) -> str:
        if failures:
            raise failures.pop()
        return question

    batch = started(alice, models[:1], "a", calls_at_once=1)
    runner = run(Provider(said))
    for _round in range(2):
        assert batch.cells.get().status == CellStatus.WAITING
        Batch.objects.update(resting_until=None)
        BatchCell.objects.update(due_at=None)
        runner.look()
        assert runner.wait(20)
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DONE
    statuses = CallRecord.objects.order_by("pk").values_list("status", "error_code")
    assert list(statuses) == [("failed", "rate_limited"), ("failed", "overloaded"), ("done", "")]


def test_it_gives_up_after_some_attempts(alice: User, models: list[ProviderModel]) -> None:
    def said(target: Target, question: str) -> str:
        raise Overloaded

    batch = started(alice, models[:1], "a")
    for _round in range(ATTEMPTS_MAX):
        BatchCell.objects.update(due_at=None)
        run(Provider(said))
    cell = batch.cells.get()
    assert (cell.status, cell.error_code) == (CellStatus.FAILED, "overloaded")
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DONE
    assert batches.retry(batch=batch, actor=alice) == 1
    run(Provider(repeat))
    assert batch.cells.get().answer == "a"
    with pytest.raises(WrongState):
        batches.retry(batch=batch, actor=alice)


def test_a_refused_key_ends_one_model_and_not_the_others(
    alice: User, models: list[ProviderModel]
) -> None:
    def said(target: Target, question: str) -> str:
        if target.model_id == "second":
            raise Authentication
        return question

    batch = started(alice, models[:2], "\n".join("abcdefgh"), calls_at_once=1)
    provider = Provider(said)
    run(provider, 40)
    assert len(provider.asked) == 9  # once, and never again
    codes = batch.cells.filter(column__position=1).values_list("status", "error_code")
    assert set(codes) == {("failed", "authentication")}
    assert batch.cells.filter(column__position=0, status=CellStatus.DONE).count() == 8


def test_a_budget_pauses_it_and_says_so(alice: User, models: list[ProviderModel]) -> None:
    batch = started(alice, models[:1], "a\nb\nc", calls_at_once=1)
    model = models[0]
    CallRecord.objects.create(
        user=alice, model=model, source="chat", status="done", cost=5, currency="USD"
    )
    UserLimits.objects.create(user=alice, budget_day_usd=1)
    provider = Provider(repeat)
    run(provider)
    batch.refresh_from_db()
    assert provider.asked == []
    assert (batch.status, batch.reason) == (BatchStatus.PAUSED, "budget_exceeded")
    assert set(batch.cells.values_list("status", "attempts")) == {(CellStatus.WAITING, 0)}
    assert "paused" in UserNotice.objects.get(user=alice).title
    UserLimits.objects.all().delete()
    batches.resume(batch=batch, actor=alice)
    run(provider)
    batch.refresh_from_db()
    assert (batch.status, batch.reason, len(provider.asked)) == (BatchStatus.DONE, "", 3)


def test_pause_lets_answers_end_and_asks_no_more(alice: User, models: list[ProviderModel]) -> None:
    batch = started(alice, models[:1], "\n".join("abcdefgh"), calls_at_once=1)
    begun = threading.Event()

    def said(target: Target, question: str) -> str:
        begun.set()
        return question

    provider = Provider(said, takes_s=0.3)
    runner = BatchRunner(stream=provider.stream)
    runner.look()
    assert begun.wait(10)
    batches.pause(batch=batch, actor=alice)
    assert runner.wait(20)
    asked = len(provider.asked)
    assert 0 < asked < 8
    assert batch.cells.filter(status=CellStatus.DONE).count() == asked
    batches.resume(batch=batch, actor=alice)
    runner.look()
    assert runner.wait(20)
    assert sorted(provider.asked) == list("abcdefgh")


def test_cancelling_breaks_off_what_runs(
    alice: User, models: list[ProviderModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.batches.running.BEAT_EVERY_S", 0.1)
    monkeypatch.setattr("chat.batches.running.LOOK_EVERY_S", 0.1)
    batch = started(alice, models[:1], "a\nb")
    provider = Provider(repeat, takes_s=60)
    runner = BatchRunner(stream=provider.stream)
    runner.look()
    until = time.monotonic() + 10
    while provider.now < 2 and time.monotonic() < until:
        time.sleep(0.02)
    batches.cancel(batch=batch, actor=alice)
    assert runner.wait(20)
    assert provider.now == 0
    assert set(batch.cells.values_list("status", "run")) == {(CellStatus.WAITING, None)}
    assert set(CallRecord.objects.values_list("status", flat=True)) == {"stopped"}
    with pytest.raises(WrongState):
        batches.resume(batch=batch, actor=alice)


def test_a_call_whose_process_died_is_made_again_once(
    alice: User, models: list[ProviderModel]
) -> None:
    batch = started(alice, models[:1], "a\nb")
    lost = claims.claim(1)[0]
    assert claims.claim(5)[0].cell.pk != lost.cell.pk  # it is taken
    assert claims.release_lost() == 0
    BatchCell.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
    provider = Provider(repeat)
    run(provider)
    assert sorted(provider.asked) == ["a", "b"]
    assert CallRecord.objects.filter(status="interrupted", call_id=lost.run).count() == 1
    # Were it alive after all, it could not write any more.
    assert not BatchCell.objects.move(lost.cell.pk, lost.run, answer="late")
    assert batch.cells.filter(answer="late").count() == 0


def test_a_call_that_ends_every_process_is_given_up(
    alice: User, models: list[ProviderModel]
) -> None:
    batch = started(alice, models[:1], "a")
    for _round in range(ATTEMPTS_MAX):
        assert len(claims.claim(1)) == 1
        BatchCell.objects.update(beat_at=timezone.now() - timedelta(minutes=1))
    assert claims.claim(1) == []
    cell = batch.cells.get()
    assert (cell.status, cell.error_code) == (CellStatus.FAILED, "interrupted")


def test_at_the_end_of_the_process_calls_are_given_back(
    alice: User, models: list[ProviderModel]
) -> None:
    batch = started(alice, models[:1], "a\nb")
    provider = Provider(repeat, takes_s=3)
    runner = BatchRunner(stream=provider.stream)
    runner.look()
    until = time.monotonic() + 10
    while provider.now < 2 and time.monotonic() < until:
        time.sleep(0.02)
    runner.shut_down()
    assert set(batch.cells.values_list("status", "run")) == {(CellStatus.WAITING, None)}
    assert set(CallRecord.objects.values_list("status", flat=True)) == {"interrupted"}
    assert runner.wait(20)


def test_a_deleted_model_fails_its_answers_alone(alice: User, models: list[ProviderModel]) -> None:
    batch = started(alice, models[:2], "a\nb", judge=models[2])
    models[1].delete()
    models[2].delete()
    run(Provider(repeat))
    batch.refresh_from_db()
    assert batch.status == BatchStatus.DONE
    assert set(batch.cells.values_list("column__position", "status")) == {
        (0, "done"),
        (1, "failed"),
    }


def test_a_disabled_model_is_not_asked(alice: User, models: list[ProviderModel]) -> None:
    batch = started(alice, models[:1], "a\nb")
    ProviderModel.objects.filter(pk=models[0].pk).update(is_enabled=False)
    provider = Provider(repeat)
    run(provider)
    assert provider.asked == []
    assert set(batch.cells.values_list("status", "error_code")) == {("failed", "no_such_model")}


def test_errors_of_ours_are_not_hidden(alice: User, models: list[ProviderModel]) -> None:
    def said(target: Target, question: str) -> str:
        raise {"a": ValueError("bug"), "b": ProviderError()}[question]

    batch = started(alice, models[:1], "a\nb")
    run(Provider(said))
    codes = dict(batch.cells.values_list("prompt__text", "error_code"))
    assert codes == {"a": "internal", "b": "provider_error"}


def test_states_allow_what_they_say(alice: User, echo: ProviderModel) -> None:
    batch = make_batch(alice, [echo])
    for verb in (batches.pause, batches.resume, batches.cancel, batches.retry):
        with pytest.raises(WrongState):
            verb(batch=batch, actor=alice)
    batches.start(batch=batch, actor=alice)
    for verb in (batches.start, batches.resume, batches.delete):
        with pytest.raises(WrongState):
            verb(batch=batch, actor=alice)
    finished(batch)
    batches.delete(batch=batch, actor=alice)
    assert not BatchCell.objects.exists()


def test_one_owner_of_a_cell(alice: User, echo: ProviderModel) -> None:
    batch = started(alice, [echo], "a")
    (call,) = claims.claim(5)
    assert not BatchCell.objects.move(call.cell.pk, uuid.uuid4(), answer="stranger")
    assert BatchCell.objects.move(call.cell.pk, call.run, answer="mine", status=CellStatus.DONE)
    assert not BatchCell.objects.move(call.cell.pk, call.run, answer="twice")
    assert batch.cells.get().answer == "mine"
