"""The request id: on every answer, taken from a proxy only when it is harmless."""

import re

import pytest
from django.test import AsyncClient, Client


def test_every_answer_has_one(client: Client, db: None) -> None:
    ids = {client.get(path).headers["X-Request-Id"] for path in ("/healthz", "/", "/nothing/")}
    assert len(ids) == 3
    assert all(re.fullmatch(r"[0-9a-f]{32}", found) for found in ids)


def test_a_proxy_may_give_it(client: Client) -> None:
    given = {"X-Request-Id": "edge-1.2_3"}
    assert client.get("/healthz", headers=given).headers["X-Request-Id"] == "edge-1.2_3"


@pytest.mark.parametrize("bad", ["a b", "x" * 65, "<script>", "a\tb", ""])
def test_an_odd_one_is_replaced(client: Client, bad: str) -> None:
    assert client.get("/healthz", headers={"X-Request-Id": bad}).headers["X-Request-Id"] != bad


async def test_it_is_there_without_threads_too(async_client: AsyncClient) -> None:
    response = await async_client.get("/healthz")
    assert response.headers["X-Request-Id"]
