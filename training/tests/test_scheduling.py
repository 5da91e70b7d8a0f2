"""The queue: fair, truthful, all or nothing; quotas, priorities, draining."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from training import fair_share, lifecycle, scheduling
from training.models import (
    Forecast,
    GpuQuota,
    Node,
    NodeSample,
    SharingSettings,
    Slot,
    SlotUse,
    Status,
    TrainingJob,
    Workload,
)
from training.parallel import Sharing
from training.tests.rows import make_dataset

GIB = 1024**3
MakeJob = Callable[..., TrainingJob]


def gpu_node(name: str, gpus: int, **fields: Any) -> Node:
    node = Node.objects.create(name=name, has_training=True, last_seen_at=timezone.now(), **fields)
    for index in range(gpus):
        Slot.objects.create(node=node, index=index, is_gpu=True, name="A100", memory_bytes=80 * GIB)
    return node


@pytest.fixture
def make(make_job: MakeJob, alice: User) -> MakeJob:
    """A job of anybody; waits in the queue."""

    def make(name: str, owner: User = alice, **sharing: Any) -> TrainingJob:
        own = {} if owner == alice else {"dataset": make_dataset(owner)}
        return make_job(name=name, owner=owner, sharing=Sharing(**sharing), **own)

    return make


def run_one() -> str:
    """What is started next on one free place, once it has ended."""
    [workload] = scheduling.grant_waiting()
    assert lifecycle.settle(workload.pk, workload.fence, Status.SUCCESS)
    return workload.name


def reason(job: Workload) -> str:
    place = scheduling.place_of(job)
    assert place is not None
    return place.waiting.code


def test_a_crowd_of_one_owner_does_not_keep_another_waiting(make: MakeJob, bob: User) -> None:
    gpu_node("n1", 1)
    for number in range(1, 6):
        make(f"A{number}")
    [first] = scheduling.grant_waiting()
    b1 = make("B1", owner=bob)
    assert scheduling.queue_position(b1) == 1
    lifecycle.settle(first.pk, first.fence, Status.SUCCESS)
    order = [first.name, *(run_one() for _ in range(5))]
    assert order == ["A1", "B1", "A2", "A3", "A4", "A5"]


def test_places_used_lately_count_and_old_ones_do_not(
    make: MakeJob, alice: User, bob: User
) -> None:
    gpu_node("n1", 1)
    now = timezone.now()

    def used(owner: User, hours_ago: float, hours: float) -> None:
        start = now - timedelta(hours=hours_ago)
        SlotUse.objects.create(
            owner=owner,
            node_name="n1",
            started_at=start,
            ended_at=start + timedelta(hours=hours),
        )

    used(alice, 3, 1)
    used(bob, 60, 30)
    used(bob, 2, 0.5)
    make("A1")
    make("B1", owner=bob)
    assert [place.workload.name for place in scheduling.plan()] == ["B1", "A1"]


def test_a_gang_gets_all_its_places_or_none(make: MakeJob) -> None:
    gpu_node("n1", 2)
    single = make("single")
    [held] = scheduling.grant_waiting()
    pair, later = make("pair", processes=2), make("later")
    assert scheduling.grant_waiting() == []
    assert not pair.slots.exists()
    assert reason(pair) == "busy" and reason(later) == "kept"
    text = scheduling.place_of(pair).reason  # type: ignore[union-attr]
    assert single.name in text
    lifecycle.settle(held.pk, held.fence, Status.SUCCESS)
    assert [w.pk for w in scheduling.grant_waiting()] == [pair.pk]
    assert pair.slots.count() == 2 and not later.slots.exists()


def test_a_gang_over_several_nodes_needs_one_storage(make: MakeJob) -> None:
    one, two = gpu_node("n1", 2, storage_id="s"), gpu_node("n2", 2)
    wide = make("wide", processes=2, nodes=2)
    assert reason(wide) == "storage"
    Node.objects.filter(pk=two.pk).update(storage_id="s")
    [held] = scheduling.grant_waiting()
    assert held.slots.count() == 4
    assert [m.node_id for m in held.members.all()] == [n.pk for n in (one, two) if n != held.node]
    lifecycle.settle(held.pk, held.fence, Status.PAUSED)
    assert not held.members.exists() and not Slot.objects.exclude(workload=None).exists()


def test_what_fits_nowhere_says_so_and_blocks_nobody(make: MakeJob) -> None:
    gpu_node("n1", 2)
    huge, small = make("huge", processes=4), make("small")
    assert [w.pk for w in scheduling.grant_waiting()] == [small.pk]
    assert reason(huge) == "too_few"


def test_a_gpu_that_is_too_small_or_full_is_not_given(make: MakeJob) -> None:
    node = gpu_node("n1", 1)
    job = make("large")
    Forecast.objects.filter(job=job).update(is_gpu=True, memory_bytes=100 * GIB)
    assert reason(job) == "memory"
    Forecast.objects.filter(job=job).update(memory_bytes=60 * GIB)
    assert reason(job) == "next"
    foreign = [{"index": 0, "used_bytes": 40 * GIB, "total_bytes": 80 * GIB}]
    NodeSample.objects.create(
        node=node, cpu_percent=1, memory_used_bytes=1, disk_free_bytes=1, gpus=foreign
    )
    assert reason(job) == "memory", "somebody outside the platform uses it"


def test_a_spent_quota_waits_and_lets_others_pass(make: MakeJob, alice: User, bob: User) -> None:
    gpu_node("n1", 1)
    GpuQuota.objects.create(user=alice, gpu_hours_per_month=2)
    month = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    SlotUse.objects.create(
        owner=alice,
        node_name="n1",
        is_gpu=True,
        started_at=month - timedelta(hours=5),
        ended_at=month + timedelta(hours=1),
    )
    assert fair_share.quota_of(alice).used == pytest.approx(1, abs=0.01), "only of this month"
    SlotUse.objects.create(
        owner=alice,
        node_name="n1",
        is_gpu=True,
        started_at=month,
        ended_at=month + timedelta(hours=1.5),
    )
    mine, his = make("mine"), make("his", owner=bob)
    assert reason(mine) == "quota"
    assert [w.pk for w in scheduling.grant_waiting()] == [his.pk]
    GpuQuota.objects.update(gpu_hours_per_month=None)
    assert reason(mine) == "busy"
    SharingSettings.objects.update_or_create(pk=1, defaults={"gpu_hours_per_month": 1.0})
    GpuQuota.objects.all().delete()
    assert reason(mine) == "quota"


def test_the_reason_names_no_stranger(make: MakeJob, alice: User, bob: User) -> None:
    gpu_node("n1", 1)
    make("a secret plan", owner=bob)
    scheduling.grant_waiting()
    place = scheduling.place_of(make("mine"))
    assert place is not None and place.waiting.code == "busy"
    assert "secret" not in place.reason and "somebody else" in place.reason


def test_nodes_that_are_away_or_draining_are_named(make: MakeJob) -> None:
    job = make("job")
    assert reason(job) == "no_node"
    node = gpu_node("n1", 1)
    Node.objects.update(is_draining=True)
    assert reason(job) == "draining"
    assert scheduling.grant_waiting() == []
    gpu_node("n2", 1)
    Workload.objects.filter(pk=job.pk).update(node=node)
    Node.objects.filter(pk=node.pk).update(
        last_seen_at=timezone.now() - timedelta(hours=1), is_draining=False
    )
    job.refresh_from_db()
    assert reason(job) == "node_away", "its files are there"
    Node.objects.update(storage_id="shared")
    assert reason(job) == "next"


def test_the_expected_start_follows_from_what_runs(make: MakeJob) -> None:
    gpu_node("n1", 1)
    running = make("running")
    [held] = scheduling.grant_waiting()
    first, second = make("first"), make("second")
    places = scheduling.queue()
    assert places[first.pk].expected_at is None, "nobody knows how long the running one takes"
    lifecycle.mark_running(running.pk, held.fence)
    Workload.objects.filter(pk=running.pk).update(max_steps=100, step=40, step_s=10.0)
    Forecast.objects.filter(job=first).update(time_s=300)
    Forecast.objects.filter(job=second).update(time_s=None)
    now, places = timezone.now(), scheduling.queue()
    expected = [places[job.pk].expected_at for job in (first, second)]
    assert all(expected)
    waits = [(at - now).total_seconds() for at in expected if at]
    assert waits == [pytest.approx(600, abs=5), pytest.approx(900, abs=5)]


@pytest.mark.parametrize(
    ("sharing", "field"),
    [
        ({"processes": 0}, "processes"),
        ({"nodes": 1000}, "nodes"),
        ({"strategy": "magic"}, "strategy"),
        ({"strategy": "fsdp"}, "strategy"),
        ({"priority": 5}, "priority"),
        ({"priority": -99}, "priority"),
        ({"max_hours": -1.0}, "max_hours"),
        ({"idle_minutes": -1}, "idle_minutes"),
        ({"max_hours": 0}, "max_hours"),
        ({"idle_minutes": 0}, "idle_minutes"),
    ],
)
def test_impossible_wishes_are_refused_at_their_field(
    make: MakeJob, sharing: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as error:
        make("job", **sharing)
    assert list(error.value.message_dict) == [field]


def test_only_an_administrator_lifts_a_limit_and_that_is_recorded(
    make: MakeJob, admin_user: User
) -> None:
    lifted: dict[str, Any] = {"max_hours": 0}
    with pytest.raises(ValidationError, match="there is no limit at the moment"):
        make("job", **lifted)
    SharingSettings.objects.update_or_create(pk=1, defaults={"max_hours": 12.0})
    with pytest.raises(ValidationError, match="the settings say 12"):
        make("job", **lifted)
    assert make("admin's", owner=admin_user, **lifted).max_hours == 0
    event = AuditEvent.objects.filter(action="job.create").latest("pk")
    assert event.after is not None and event.after["max_hours"] == "no limit"


def test_a_low_priority_lets_others_pass(make: MakeJob, bob: User) -> None:
    gpu_node("n1", 1)
    low, normal = make("low", owner=bob, priority=-5), make("normal")
    assert [place.workload.pk for place in scheduling.plan()] == [normal.pk, low.pk]


def test_administrators_set_limits_and_quotas_in_the_console(
    admin_user: User, alice: User, client_for: Callable[[User], Client]
) -> None:
    console = client_for(admin_user)
    assert console.get(reverse("admin:training_sharingsettings_changelist")).status_code == 302
    url = reverse("admin:training_sharingsettings_change", args=[1])
    assert console.get(url).status_code == 200
    console.post(url, {"gpu_hours_per_month": "3", "max_hours": "12", "idle_minutes": "30"})
    found = SharingSettings.current()
    assert (found.gpu_hours_per_month, found.max_hours, found.idle_minutes) == (3, 12, 30)
    console.post(
        reverse("admin:training_gpuquota_add"), {"user": alice.pk, "gpu_hours_per_month": "7.5"}
    )
    assert fair_share.quota_of(alice).limit == 7.5
    assert console.get(reverse("admin:training_gpuquota_changelist")).status_code == 200
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"sharing.update", "gpu_quota.create"} <= actions
    assert client_for(alice).get(url).status_code in (302, 403)
