"""`/healthz` and `/readyz`: what a load balancer and a person on call rely on."""

import socket
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from llmplatform import health


def test_the_process_is_up_without_a_database(client: Client) -> None:
    response = client.get("/healthz")
    assert (response.status_code, response.content) == (200, b"ok")


def test_it_is_ready_when_everything_answers(db: None, client: Client, settings: Any) -> None:
    settings.REDIS_URL = ""
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["database"] == "ok"


def test_a_dead_dependency_is_named_without_its_secrets(
    db: None, client: Client, settings: Any
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    settings.REDIS_URL = f"redis://:hunter2hunter2@127.0.0.1:{port}/0"
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["redis"] == "unavailable"
    assert b"hunter2" not in response.content


def test_a_missing_migration_is_not_ready(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "django.db.migrations.executor.MigrationExecutor.migration_plan", lambda *args: ["one"]
    )
    with pytest.raises(DatabaseError):
        health._database()
