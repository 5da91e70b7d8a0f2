"""The numbers of the console's overview. Unknown stays unknown."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from accounts.models import PlatformSettings, RegistrationMode, User
from accounts.services import audit
from llmplatform import probes
from llmplatform.dashboard.attention import Need, needs
from llmplatform.dashboard.calls import last_day
from llmplatform.dashboard.work import active_people, queue, running
from llmplatform.tests.console_cast import (
    GIB,
    make_call,
    make_job,
    make_model,
    make_node,
    make_sample,
    make_slot,
)
from training.models import Status
from training.node_cards import node_cards

pytestmark = pytest.mark.django_db


def test_a_node_shows_now_and_the_last_hour() -> None:
    node = make_node()
    make_sample(node, minutes_ago=30, cpu_percent=10)
    make_sample(node, minutes_ago=90, cpu_percent=99)
    gpu = {"index": 0, "percent": 90, "used_bytes": 8, "total_bytes": 10, "celsius": 61}
    make_sample(node, cpu_percent=70, gpus=[gpu])
    (card,) = node_cards()
    assert card.is_live and card.cpu.percent == 70 and card.cpu.level == "calm"
    assert card.memory.percent == 25 and card.memory.used_bytes == 8 * GIB
    assert card.disk.percent == 50 and card.disk_free_bytes == 250 * GIB
    assert card.cpu.curve.path.count("M") == 2  # two stretches: half an hour ago, and now
    (meter,) = card.gpus
    assert (meter.percent, meter.note, meter.level) == (90, "61 °C", "warning")
    assert card.meters[-1] is meter


def test_what_no_sample_says_is_unknown() -> None:
    node = make_node(silent_s=3000, memory_bytes=0)
    make_sample(node, minutes_ago=50)
    (card,) = node_cards()
    assert not card.is_live and card.sampled_at is None
    for meter in card.meters:
        assert meter.percent is None and meter.used_bytes is None and meter.level == "unknown"
    assert not card.cpu.curve.is_empty


def test_live_nodes_come_first(alice: User) -> None:
    make_node("a", silent_s=600)
    slot = make_slot(make_node("b"), workload=make_job(alice, status=Status.RUNNING))
    cards = node_cards()
    assert [card.node.name for card in cards] == ["b", "a"]
    assert list(cards[0].slots) == [slot]


def test_calls_are_counted_by_hour() -> None:
    model, now = make_model(), timezone.now()
    this_hour = now.replace(minute=0, second=0, microsecond=0)
    make_call(model, at=now, prompt_tokens=10, completion_tokens=5, ttft_ms=100)
    make_call(model, at=now, status="failed")
    make_call(model, at=now, status="stopped", ttft_ms=300)
    make_call(model, at=this_hour - timedelta(hours=5), prompt_tokens=7)
    make_call(model, at=this_hour - timedelta(hours=30), prompt_tokens=1000)
    day = last_day()
    assert len(day.hours) == 24 and (day.calls, day.failed) == (4, 1)
    assert day.tokens == 22 and day.failed_percent == 25
    newest, earlier = day.hours[-1], day.hours[-6]
    assert (newest.calls, newest.failed, newest.tokens, newest.ttft_ms) == (3, 1, 15, 200)
    assert (earlier.calls, earlier.tokens, earlier.ttft_ms) == (1, 7, None)
    assert day.hours[0].tokens is None and day.hours[0].calls == 0
    assert day.median_ttft_ms == 300 and day.p95_ttft_ms == 300
    assert [kind for kind, _y, _h in day.call_bars[-1].parts] == ["good", "failed"]
    assert day.token_bars[0].parts == () and day.token_bars[0].title.endswith("–")
    assert not day.latency_line.is_empty


def test_no_call_means_unknown_rates() -> None:
    day = last_day()
    assert (day.calls, day.tokens, day.failed_percent, day.median_ttft_ms) == (0, None, None, None)
    assert day.latency_line.is_empty and day.models == []


def test_the_most_used_models_come_first() -> None:
    busy, idle = make_model(name="Busy"), make_model(name="Idle")
    for _call in range(4):
        make_call(busy, prompt_tokens=1, completion_tokens=1)
    make_call(idle, status="failed")
    for _call in range(2):
        make_call(None, status="failed", error_code="model_not_found", model_label="bsuy-chat")
    first, second = last_day().models
    assert (first.label, first.calls, first.tokens, first.share) == ("busy-chat", 4, 8, 100)
    assert (second.failed, second.tokens, second.share) == (1, None, 25)


def test_the_answer_is_kept_for_a_moment() -> None:
    last_day()
    make_call(make_model())
    assert last_day().calls == 0
    cache.clear()
    assert last_day().calls == 1


def test_the_queue_tells_when_it_can(alice: User) -> None:
    node = make_node()
    job = make_job(
        alice, "busy", status=Status.RUNNING, step=10, max_steps=20, step_s=6.0, node=node
    )
    make_slot(node, workload=job)
    first = make_job(alice, "first", priority=5)
    make_job(alice, "second")
    make_job(alice, "on hold", desired="pause")
    waiting = queue()
    assert [(row.workload.name, row.position) for row in waiting.rows] == [
        ("first", 1),
        ("second", 2),
    ]
    assert [row.starts_in_s for row in waiting.rows] == [60, None]
    assert (waiting.length, waiting.unseen) == (2, 0)
    make_slot(node, index=1)
    assert queue().rows[0].starts_in_s == 0
    assert queue().rows[0].workload.pk == first.pk
    assert [row.name for row in running()] == ["busy"]


def test_people_are_counted_once(alice: User, bob: User, admin_user: User) -> None:
    make_call(None, user=alice)
    make_call(None, user=alice)
    make_call(None, user=bob, at=timezone.now() - timedelta(days=2))
    make_call(None)
    audit(actor=alice, action="test.one")
    audit(actor=admin_user, action="test.two")
    assert active_people() == 2


def _needs() -> list[Need]:
    return needs(node_cards(), [])


def test_nothing_needs_attention_on_a_quiet_platform() -> None:
    make_sample(make_node())
    assert _needs() == []


def test_failed_work_silent_nodes_and_full_disks_need_it(alice: User) -> None:
    make_job(alice, status=Status.FAILED, reason="out_of_memory", finished_at=timezone.now())
    make_job(alice, "old", status=Status.FAILED, finished_at=timezone.now() - timedelta(days=3))
    busy = make_node("busy", silent_s=300)
    make_slot(busy, workload=make_job(alice, "live", status=Status.RUNNING))
    make_node("idle", silent_s=300)
    make_sample(make_node("full"), disk_free_bytes=GIB)
    found = _needs()
    assert [need.level for need in found] == ["danger", "danger", "warning", "warning"]
    texts = " ".join(f"{need.text} {need.detail}" for need in found)
    assert "maple" in texts and "Out of memory" in texts and "old" not in texts
    for name in ("busy", "idle", "full"):
        assert f"Node {name}" in texts
    assert all(need.url for need in found)


def test_providers_that_fail_need_it() -> None:
    good, bad, rare = make_model(name="Good"), make_model(name="Bad"), make_model(name="Rare")
    for status in ("done", "done", "done", "failed"):
        make_call(good, status=status)
    for status in ("done", "failed", "failed"):
        make_call(bad, status=status)
    make_call(rare, status="failed")
    (need,) = _needs()
    assert "Bad" in need.text and "2 of 3" in need.detail and need.level == "danger"


def test_a_tight_budget_is_no_failing_provider() -> None:
    model = make_model()
    for status, code in (("refused", "budget_exceeded"), ("interrupted", "key_ended")):
        for _each in range(3):
            make_call(model, status=status, error_code=code)
    assert _needs() == [] and last_day().failed == 0


def test_people_who_wait_for_approval_need_it(make_user: Callable[..., User]) -> None:
    make_user("new", is_active=False)
    assert _needs() == []
    row = PlatformSettings.current()
    row.registration = RegistrationMode.APPROVAL
    row.save()
    (need,) = _needs()
    assert "1 account waits" in need.text and "is_active" in need.url


def test_what_is_not_well_needs_it() -> None:
    seen = [
        probes.Finding(probes.State.OK, "fine", label="A"),
        probes.Finding(probes.State.UNKNOWN, "who knows", label="B"),
        probes.Finding(probes.State.FAILED, "broken", "mend it", "C"),
    ]
    assert needs([], seen) == [Need("danger", "C: broken", "mend it")]


def test_the_page_shows_it_all(
    admin_user: User, alice: User, client_for: Callable[[User], Client]
) -> None:
    node = make_node("node-with-work")
    make_sample(node, gpus=[{"index": 0, "percent": 5, "used_bytes": 1, "total_bytes": 2}])
    job = make_job(alice, "running-job", status=Status.RUNNING, node=node)
    make_slot(node, workload=job)
    make_job(alice, "waiting-job")
    make_job(alice, "failed-job", status=Status.FAILED, finished_at=timezone.now())
    make_call(make_model(name="Shown"), ttft_ms=12_345)
    audit(actor=alice, action="test.shown")
    page = client_for(admin_user).get("/admin/overview/").text
    for text in (
        "node-with-work",
        "running-job",
        "waiting-job",
        "failed-job",
        "shown-chat",
        "12.3 s",
        "test.shown",
        "No. 1 in the queue",
        "GPU 0",
    ):
        assert text in page, text


def test_the_page_is_cheap(
    admin_user: User,
    alice: User,
    client_for: Callable[[User], Client],
    django_assert_max_num_queries: Callable[[int], object],
) -> None:
    for index in range(8):
        node = make_node(f"node-{index}")
        make_sample(node)
        make_slot(node, workload=make_job(alice, f"job-{index}", status=Status.RUNNING))
        make_job(alice, f"waiting-{index}")
    client = client_for(admin_user)
    client.get("/admin/overview/")
    cache.clear()
    with django_assert_max_num_queries(40):  # type: ignore[attr-defined]
        client.get("/admin/overview/")
