"""Pages: the machines, and the queue for them."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from llmplatform.tests.console_cast import make_job, make_node, make_sample, make_slot
from training import nodes
from training.models import GpuQuota, Node, SlotUse, Status, Workload

ClientFor = Callable[[User], Client]
Gpu = {"index": 0, "percent": 88.0, "used_bytes": 30 * 1024**3, "total_bytes": 80 * 1024**3}


@pytest.fixture
def node(alice: User) -> Node:
    """Alice trains on it."""
    node = make_node(versions={"llamafactory": "0.9.5", "torch": "2.13.0"})
    make_sample(node, cpu_percent=37, gpus=[{**Gpu, "celsius": 61}])
    job = make_job(alice, "maple", status=Status.RUNNING, node=node, max_steps=100, step=40)
    make_slot(node, is_gpu=True, name="H100", workload=job)
    return node


def test_a_machine_tells_what_it_has_and_does(
    node: Node, alice: User, bob: User, client_for: ClientFor
) -> None:
    page = client_for(alice).get("/nodes/").content.decode()
    for words in ("node-a", "88 %", "61 °C", "30.0\xa0GB of 80.0\xa0GB", "37 %", "torch 2.13.0"):
        assert words in page, words
    assert "maple" in page and "40 %" in page
    other = client_for(bob).get("/nodes/").content.decode()
    assert "maple" not in other and "of somebody else" in other
    for theirs in (page, other):
        assert "/drain/" not in theirs and "NODE_NAME=" not in theirs


def test_administrators_drain_with_a_question_and_let_machines_join(
    node: Node, admin_user: User, alice: User, client_for: ClientFor
) -> None:
    client = client_for(admin_user)
    page = client.get("/nodes/").content.decode()
    assert f'action="/nodes/{node.pk}/drain/" data-confirm="Drain node-a?"' in page
    assert "python -m llmplatform.background worker node.gpu-node-2" in page
    assert client_for(alice).post(f"/nodes/{node.pk}/drain/").status_code == 403
    shown = client.post(f"/nodes/{node.pk}/drain/", follow=True).content.decode()
    assert "Nothing new begins on node-a" in shown and "draining" in shown
    client.post(f"/nodes/{node.pk}/undrain/")
    assert not Node.objects.get().is_draining
    assert AuditEvent.objects.filter(action="node.undrain").count() == 1


def test_a_machine_that_says_nothing_is_said_to(
    node: Node, alice: User, client_for: ClientFor
) -> None:
    Node.objects.update(last_seen_at=timezone.now() - timedelta(minutes=10))
    page = client_for(alice).get("/nodes/").content.decode()
    assert "silent" in page and "It says nothing any more" in page


def test_without_a_machine_the_page_teaches(
    admin_user: User, alice: User, client_for: ClientFor, settings: Any
) -> None:
    settings.REDIS_URL = ""
    assert (
        "an administrator lets a machine join" in client_for(alice).get("/nodes/").content.decode()
    )
    page = client_for(admin_user).get("/nodes/").content.decode()
    assert "Below is how" in page and '<details class="card node-join" open>' in page
    assert "Set REDIS_URL" in page, "on the embedded default no other machine hears the queue"
    settings.REDIS_URL = "redis://127.0.0.1:6379/9"
    assert "Set REDIS_URL" not in client_for(admin_user).get("/nodes/").content.decode()


def test_htmx_gets_the_live_part_alone(node: Node, alice: User, client_for: ClientFor) -> None:
    for path in ("/nodes/", "/queue/"):
        page = client_for(alice).get(path, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in page and f'hx-get="{path}"' in page


def test_the_queue_shows_order_reason_share_and_quota(
    node: Node, alice: User, bob: User, admin_user: User, client_for: ClientFor
) -> None:
    mine, other = make_job(alice, "acorn"), make_job(bob, "birch")
    GpuQuota.objects.create(user=alice, gpu_hours_per_month=10)
    start = timezone.now() - timedelta(hours=2)
    SlotUse.objects.create(owner=alice, node_name="node-a", is_gpu=True, started_at=start)
    page = client_for(alice).get("/queue/").content.decode()
    assert f"/queue/{mine.pk}/withdraw/" in page and f"/queue/{other.pk}/" not in page
    assert "birch" not in page and "The places are taken by “maple”" in page
    assert " of 10" in page and bob.email not in page
    assert "<option selected>0</option>" in page
    assert "<option>5</option>" not in page, "to go first is for administrators to say"
    console = client_for(admin_user).get("/queue/").content.decode()
    assert "birch" in console and bob.email in console and "<option>5</option>" in console


def test_priority_and_withdrawal_from_the_page(
    node: Node, alice: User, bob: User, client_for: ClientFor
) -> None:
    mine, other = make_job(alice, "acorn"), make_job(bob, "birch")
    client = client_for(alice)
    assert client.post(f"/queue/{other.pk}/withdraw/").status_code == 404
    assert client.post(f"/queue/{other.pk}/priority/", {"priority": "-5"}).status_code == 404
    for wrong, words in (("5", "Only administrators"), ("x", "whole number")):
        sent = client.post(f"/queue/{mine.pk}/priority/", {"priority": wrong}, follow=True)
        assert words in sent.content.decode()
    client.post(f"/queue/{mine.pk}/priority/", {"priority": "-3"})
    assert Workload.objects.get(pk=mine.pk).priority == -3
    page = client.post(f"/queue/{mine.pk}/withdraw/", follow=True).content.decode()
    assert "does not wait any more" in page
    assert not Workload.objects.get(pk=mine.pk).is_queued


def test_a_node_tells_the_versions_of_its_training_environment() -> None:
    found = nodes.versions()
    assert found["llamafactory"] and found["torch"] and found["python"]


@pytest.mark.browser
def test_the_queue_follows_and_leaves_a_hand_alone(
    node: Node, alice: User, sign_in: Callable[[User], Any]
) -> None:
    first = make_job(alice, "acorn")
    page = sign_in(alice)
    page.goto("/queue/")
    choice = page.locator(f"#priority-{first.pk}")
    choice.select_option("-5")
    choice.focus()
    make_job(alice, "birch")
    page.wait_for_timeout(5500)
    assert choice.input_value() == "-5", "nothing is swapped under the hand"
    page.evaluate("document.activeElement.blur()")
    page.get_by_text("birch").wait_for()
    page.locator(f"#priority-{first.pk}").select_option("-5")
    page.get_by_role("button", name="Set").first.click()
    page.wait_for_load_state()
    assert Workload.objects.get(pk=first.pk).priority == -5
    page.get_by_role("button", name="Withdraw").first.click()
    page.locator("button[data-confirm-yes]").click()
    page.get_by_text("does not wait any more").wait_for()
