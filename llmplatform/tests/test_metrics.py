"""`/metrics`: who may read it, and what it says."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client
from django.utils import timezone

from accounts.models import ApiKey, User
from llmplatform import metrics
from llmplatform.tests.console_cast import make_call, make_job, make_model, make_node
from training.models import Status

LINE = re.compile(r'^[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? [0-9.e+-]+$')
TOKEN = "a-scrape-token-of-good-length"
EARLIER = timedelta(minutes=5)


def test_strangers_are_refused(
    client: Client, alice: User, client_for: Callable[[User], Client], settings: Any
) -> None:
    settings.METRICS_TOKEN = ""
    assert client.get("/metrics").status_code == 401
    assert client_for(alice).get("/metrics").status_code == 403
    for token in ("", "wrong", "Bearer "):
        headers = {"Authorization": f"Bearer {token}"}
        assert client.get("/metrics", headers=headers).status_code == 401
    assert client.post("/metrics").status_code == 405
    settings.METRICS_TOKEN = TOKEN
    headers = {"Authorization": f"Bearer {TOKEN[:-1]}"}
    assert client.get("/metrics", headers=headers).status_code == 401


def test_a_user_with_a_key_is_refused(client: Client, alice: User) -> None:
    _key, text = ApiKey.issue(user=alice, name="laptop")
    headers = {"Authorization": f"Bearer {text}"}
    assert client.get("/metrics", headers=headers).status_code == 403


def test_administrators_and_the_scrape_token_read(
    client: Client,
    admin_user: User,
    client_for: Callable[[User], Client],
    settings: Any,
) -> None:
    settings.METRICS_TOKEN = TOKEN
    headers = {"Authorization": f"Bearer {TOKEN}"}
    for answer in (
        client.get("/metrics", headers=headers),
        client_for(admin_user).get("/metrics"),
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
        assert "llmplatform_database_up 1" in answer.text


def test_the_numbers_are_the_databases(alice: User) -> None:
    model = make_model()
    at = timezone.now() - EARLIER
    make_call(model, at=at, prompt_tokens=10, completion_tokens=5)
    make_call(model, at=at, prompt_tokens=1)
    make_call(model, at=at, status="failed")
    make_call(model, at=timezone.now())  # too young to be counted
    make_job(alice)
    make_job(alice, "busy", status=Status.RUNNING)
    make_node()
    make_node("gone", silent_s=4000)
    text = metrics.exposition()
    for line in (
        'llmplatform_calls_total{status="done"} 2',
        'llmplatform_calls_total{status="failed"} 1',
        'llmplatform_tokens_total{kind="prompt"} 11',
        'llmplatform_tokens_total{kind="completion"} 5',
        'llmplatform_workloads_running{kind="train"} 1',
        "llmplatform_queue_length 1",
        "llmplatform_nodes_live 1",
        "llmplatform_nodes_known 2",
    ):
        assert line in text.splitlines()
    assert text.endswith("\n")
    assert all(LINE.match(line) for line in text.splitlines() if not line.startswith("#"))


def test_counters_go_on_from_what_was_counted(
    db: None, django_assert_num_queries: Callable[..., Any]
) -> None:
    at = timezone.now() - EARLIER
    make_call(None, at=at)
    assert metrics._call_totals()["done"]["calls"] == 1
    make_call(None, at=at, prompt_tokens=3)
    assert metrics._call_totals()["done"] == {"calls": 2, "prompt": 3, "completion": 0}
    with django_assert_num_queries(1):
        assert metrics._call_totals()["done"]["calls"] == 2


def test_labels_are_escaped() -> None:
    (_help, _type, line) = metrics._family("x", "gauge", "X.", [({"a": 'b"\\\n'}, 1)])
    assert line == 'llmplatform_x{a="b\\"\\\\\\n"} 1'


def test_a_dead_database_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def dead() -> None:
        raise DatabaseError

    monkeypatch.setattr(metrics, "_call_totals", dead)
    assert "llmplatform_database_up 0" in metrics.exposition()
