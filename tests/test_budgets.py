"""One budget for everything that a person asks: pages and programs, many at once. With REDIS_URL
across processes, without it in this one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import httpx
import pytest
from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Sum

from accounts.models import User, UserLimits
from chat import services as chats
from chat.generation import generator
from chat.models import Message
from providers.models import CallRecord, ProviderModel
from providers.services import create_provider
from providers.tests.conftest import MakeKey, Records, make_key, recorded

__all__ = ["make_key", "recorded"]
CALLS, BUDGET = 50, Decimal(1)
# The echo provider says it again, a word every 10 ms: calls overlap.
QUESTION = "word " * 80
ANSWER = 100
REFUSED = {"budget_reserved", "budget_exceeded"}


@pytest.fixture
def model(transactional_db: None, alice: User) -> Iterator[ProviderModel]:
    """A tenth of the budget for the longest answer."""
    provider = create_provider(actor=alice, preset="echo", name="echo")
    found = provider.models.get()
    found.own_prices.create(input_per_mtok=0, output_per_mtok=1000)
    yield found
    assert generator.wait(30)


def ask_on_a_page(alice: User, model: ProviderModel) -> str:
    """The code of a refusal that is said at once; an answer says its own later."""
    session = chats.create_session(owner=alice, model=model, parameters={"max_tokens": ANSWER})
    try:
        chats.ask(session=session, actor=alice, content=QUESTION)
    except ValidationError as error:
        assert "budget" in str(error)
        return "budget_exceeded"
    finally:
        connections.close_all()
    return ""


def ask_by_program(url: str, key: str) -> str:
    body = {"model": "echo", "messages": [{"role": "user", "content": QUESTION}]}
    answer = httpx.post(
        f"{url}/v1/chat/completions",
        json=body | {"max_tokens": ANSWER},
        headers={"authorization": f"Bearer {key}"},
        timeout=60,
    )
    return "" if answer.status_code == 200 else str(answer.json()["error"]["code"])


def test_pages_and_programs_together_keep_within_a_budget(
    live_url: str, alice: User, model: ProviderModel, make_key: MakeKey, recorded: Records
) -> None:
    UserLimits.objects.create(user=alice, budget_day_usd=BUDGET)
    key = make_key()
    with ThreadPoolExecutor(CALLS) as pool:
        asked = [
            pool.submit(ask_by_program, live_url, key)
            if number % 2
            else pool.submit(ask_on_a_page, alice, model)
            for number in range(CALLS)
        ]
        told = [each.result() for each in asked]
    assert generator.wait(30)
    told += list(Message.objects.exclude(error_code="").values_list("error_code", flat=True))
    refused = [code for code in told if code]
    assert set(refused) <= REFUSED and refused
    rows = recorded(CALLS - told.count("budget_exceeded"))
    done = [row for row in rows if row.status == "done"]
    spent = CallRecord.objects.aggregate(Sum("cost"))["cost__sum"]
    assert len(done) + len(refused) == CALLS
    longest = ANSWER * Decimal("0.001")
    assert BUDGET / 2 < spent <= BUDGET + longest
