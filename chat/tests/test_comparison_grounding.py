"""Comparisons that are answered from knowledge bases: searched once, the same for every column."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from chat import comparing, comparison_exporting, grounding
from chat.columns import side_of, sides_of
from chat.comparing import Choice
from chat.generation import generator
from chat.models import Comparison, Message, MessageSource
from chat.tests.test_grounding import LEAVE, PARKING, Scripted
from conftest import ApiClient
from knowledge.models import Base
from knowledge.tests.rows import base_of, document_of
from providers.models import ProviderModel

QUESTION = "How many days of paid leave are there?"


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, nobody_writes_titles: None) -> Iterator[Scripted]:
    scripted = Scripted()
    monkeypatch.setattr(generator, "_stream", scripted)
    yield scripted
    assert generator.wait(10)


@pytest.fixture
def base(alice: User, transactional_db: None) -> Base:
    base = base_of(alice)
    document_of(base, [LEAVE, PARKING], page=3)
    return base


@pytest.fixture
def searches(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was looked for, search by search."""
    made, find = list[str](), grounding._find

    def counted(search: Any) -> Any:
        made.append(search.question)
        return find(search)

    monkeypatch.setattr(grounding, "_find", counted)
    return made


def start(owner: User, models: list[ProviderModel], base: Base, **more: Any) -> Comparison:
    choices = [Choice(each) for each in models]
    found = comparing.start(
        owner=owner, prompt=QUESTION, choices=choices, knowledge_bases=[base], **more
    )
    assert generator.wait(20)
    return Comparison.objects.get(pk=found.pk)


def answers(comparison: Comparison) -> list[Message]:
    found = [side.answer for side in sides_of(Comparison.objects.get(pk=comparison.pk))]
    return [each for each in found if each is not None]


def test_columns_share_what_one_search_found(
    echoes: list[ProviderModel], alice: User, base: Base, model: Scripted, searches: list[str]
) -> None:
    comparison = start(alice, echoes, base)
    assert searches == [QUESTION]
    for answer in answers(comparison):
        source = answer.sources.get()
        assert (source.number, source.text, source.is_cited) == (1, LEAVE, True)
    assert len(model.asked) == 3 and model.question.startswith('<passages>\n<passage number="1"')
    comparing.ask_all(comparison=comparison, actor=alice, content="Zebras of the quantum kitchen?")
    assert generator.wait(20)
    assert len(searches) == 2
    codes = [[remark["code"] for remark in answer.remarks] for answer in answers(comparison)]
    assert codes == [[grounding.NOTHING_FOUND]] * 3
    side = side_of(comparison, 1)
    assert side is not None
    chat = comparing.chat_with(side=side, actor=alice)
    assert chat.searched_bases == [base.pk], "it goes on with them"


def test_its_page_shows_sources_for_each_column_and_opens_them(
    echoes: list[ProviderModel],
    alice: User,
    bob: User,
    base: Base,
    model: Scripted,
    client_for: Callable[[User], Client],
) -> None:
    page = client_for(alice).get(f"/compare/?knowledge_base={base.pk}").content.decode()
    assert f'data-base-chip="{base.pk}"' in page
    form = {"content": QUESTION, "a-model": echoes[0].pk, "b-model": echoes[1].pk}
    refused = client_for(bob).post("/compare/", {**form, "knowledge_bases": base.pk})
    assert refused.status_code == 422 and base.name not in refused.content.decode()
    assert not Comparison.objects.exists()
    address = client_for(alice).post("/compare/", {**form, "knowledge_bases": base.pk}).url  # type: ignore[attr-defined]
    assert generator.wait(20)
    page = client_for(alice).get(address).content.decode()
    document = base.documents.get()
    assert page.count('class="cite"') == 2
    assert f"/knowledge/documents/{document.pk}/?start=0&amp;end={len(LEAVE)}" in page
    comparison = Comparison.objects.get()
    again = client_for(alice).get(f"/compare/?from={comparison.pk}").content.decode()
    assert f'data-base-chip="{base.pk}"' in again
    Comparison.objects.update(is_shared=True)
    shared = client_for(bob).get(address).content.decode()
    assert LEAVE in shared and f"/knowledge/documents/{document.pk}/" not in shared
    assert "handbook.txt" in comparison_exporting.exported(comparison, "md")


def test_programs_choose_bases_that_they_can_read(
    echoes: list[ProviderModel],
    alice: User,
    bob: User,
    base: Base,
    model: Scripted,
    api: Callable[[User], ApiClient],
) -> None:
    body: dict[str, Any] = {
        "prompt": QUESTION,
        "models": [each.pk for each in echoes[:2]],
        "knowledge_bases": [base.pk],
    }
    assert api(bob).post("comparisons", **body).status_code == 422
    made = api(alice).post("comparisons", **body)
    assert made.status_code == 201 and made.json()["knowledge_bases"] == [base.pk]
    assert generator.wait(20)
    read = api(alice).get(f"comparisons/{made.json()['id']}").json()
    assert [len(c["messages"][-1]["sources"]) for c in read["columns"]] == [1, 1]


def test_a_blind_one_hides_what_an_application_found_by_itself(
    echoes: list[ProviderModel], alice: User, base: Base, model: Scripted
) -> None:
    comparison = start(alice, echoes[:2], base, is_blind=True)
    for answer in answers(comparison):
        MessageSource.objects.create(
            message_id=answer.pk, number=2, base_name="Dify of sales", document_name="x", text="y"
        )
    for answer in answers(comparison):
        assert [source.base_name for source in answer.sources.all()] == [base.name]
    assert "Dify of sales" not in comparison_exporting.exported(comparison, "json")
    Comparison.objects.update(is_blind=False)
    assert [len(answer.sources.all()) for answer in answers(comparison)] == [2, 2]


def test_a_strangers_base_is_refused(alice: User, bob: User, base: Base) -> None:
    with pytest.raises(ValidationError):
        grounding.readable(bob, [base.pk])
