"""The pages of comparisons, without a browser."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from chat import comparing, voting
from chat.generation import generator
from chat.models import ChatSession, Comparison, Vote
from chat.tests.test_comparing import fresh, start
from prompts.services import create_prompt
from providers.models import ProviderModel

ClientFor = Callable[[User], Client]


def filled(models: list[ProviderModel], **more: Any) -> dict[str, Any]:
    places = {f"{letter}-model": model.pk for letter, model in zip("abcdef", models, strict=False)}
    return {"content": "Hi", **places, **more}


def test_starting_one(echoes: list[ProviderModel], alice: User, client_for: ClientFor) -> None:
    body = filled(echoes, tags="code，law", **{"all-temperature": "0.5", "b-temperature": "1"})
    answer = client_for(alice).post("/compare/", body)
    assert generator.wait(20)
    comparison = Comparison.objects.get()
    assert answer.headers["Location"] == f"/compare/{comparison.pk}/"
    assert comparison.tags == ["code", "law"] and not comparison.is_blind
    sessions = ChatSession.objects.order_by("column__number")
    assert [each.parameters["temperature"] for each in sessions] == [0.5, 1.0, 0.5]


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"content": "  "}, "Write a message first."),
        ({"b-model": "", "c-model": ""}, "Choose two models at least."),
        ({"b-model": "999999"}, "Choose a model that is available."),
        ({"a-temperature": "9"}, "less than or equal to 2"),
        ({"tags": ",".join("abcdefghijk")}, "At most 10 tags"),
    ],
)
def test_mistakes_keep_what_was_written(
    echoes: list[ProviderModel],
    alice: User,
    client_for: ClientFor,
    more: dict[str, str],
    problem: str,
) -> None:
    body = filled(echoes, **{"content": "Kept question", **more})
    answer = client_for(alice).post("/compare/", body)
    page = answer.content.decode()
    assert answer.status_code == 422 and problem in page
    assert ("Kept question" in page) == ("content" not in more)
    assert not Comparison.objects.exists()


def selected(page: str) -> list[str]:
    return re.findall(r'<option value="(\d+)" selected', page)


def test_a_link_prepares_it(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    wanted = [str(model.pk) for model in (echoes[2], echoes[0])]
    query = f"?model={wanted[0]}&model={wanted[1]}&model=7777777&prompt=Why%3F"
    page = client.get(f"/compare/{query}").content.decode()
    assert selected(page) == wanted and ">\nWhy?</textarea>" in page
    comparison = start(alice, echoes, "Asked before")
    again = client.get(f"/compare/?from={comparison.pk}").content.decode()
    assert selected(again) == [str(model.pk) for model in echoes] and "Asked before" in again


def test_a_prompt_of_the_library_goes_there(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    prompt = create_prompt(actor=alice, title="t", text="About {{thing}}")
    body = {"variable-thing": "cats", "to": "compare"}
    answer = client_for(alice).post(f"/prompts/{prompt.pk}/use/", body)
    assert answer.headers["Location"] == "/compare/?prompt=About+cats"


def test_a_blind_page_tells_nothing_before_the_vote(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    comparison = start(alice, echoes, is_blind=True)
    client = client_for(alice)
    for path in ("", "difference/", "export/?format=md", "export/?format=json"):
        page = client.get(f"/compare/{comparison.pk}/{path}").content.decode()
        assert "Model B" in page
        assert not any(model.name in page for model in echoes), path
        assert not any(model.provider.name in page for model in echoes), path
    # What starts the next one must not give the order away either.
    sorted_pks = sorted(str(model.pk) for model in echoes)
    assert selected(client.get("/compare/").content.decode()) == sorted_pks
    for session in ChatSession.objects.all():
        assert client.get(f"/chat/{session.pk}/").status_code == 404
    assert client.post(f"/compare/{comparison.pk}/votes/", {"verdict": "2"}).status_code == 302
    page = client.get(f"/compare/{comparison.pk}/").content.decode()
    assert all(model.name in page for model in echoes) and "blind vote" in page


@pytest.mark.parametrize(("verdict", "outcome"), [("2", "best"), ("tie", "tie"), ("all_bad",) * 2])
def test_voting(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor, verdict: str, outcome: str
) -> None:
    comparison = start(alice, echoes)
    path = f"/compare/{comparison.pk}/votes/"
    answer = client_for(alice).post(path, {"verdict": verdict, "note": "Why"})
    assert answer.headers["Location"] == f"/compare/{comparison.pk}/"
    vote = Vote.objects.get()
    assert (vote.outcome, vote.note) == (outcome, "Why")
    with_htmx = client_for(alice).post(path, {"verdict": "9"}, headers={"HX-Request": "true"})
    assert with_htmx.status_code == 422 and "has answered" in with_htmx.content.decode()


def test_asking_all_again_and_one_anew(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    comparison, client = start(alice, echoes), client_for(alice)
    path, htmx = f"/compare/{comparison.pk}", {"HX-Request": "true"}
    assert client.post(f"{path}/messages/", {"content": "more"}, headers=htmx).status_code == 204
    assert generator.wait(20)
    assert client.post(f"{path}/again/", {"column": "2"}, headers=htmx).status_code == 204
    assert generator.wait(20)
    assert client.post(f"{path}/again/", {"column": "9"}).status_code == 404
    refused = client.post(f"{path}/messages/", {"content": "  "})
    assert refused.status_code == 422 and "Write a message first." in refused.content.decode()
    complete = client.post(f"{path}/continue/", {"column": "1"}, headers=htmx)
    assert complete.status_code == 422 and "complete" in complete.content.decode()


def test_going_on_with_one(echoes: list[ProviderModel], alice: User, client_for: ClientFor) -> None:
    comparison, client = start(alice, echoes), client_for(alice)
    path = f"/compare/{comparison.pk}/chats/"
    plain = client.post(path, {"column": "3"})
    chat = ChatSession.objects.for_user(alice).get()
    assert plain.headers["Location"] == f"/chat/{chat.pk}/"
    assert "Hi" in client.get(plain.headers["Location"]).content.decode()
    with_htmx = client.post(path, {"column": "3"}, headers={"HX-Request": "true"})
    assert with_htmx.headers["HX-Redirect"].startswith("/chat/")


def test_title_tags_and_sharing(
    echoes: list[ProviderModel], alice: User, bob: User, client_for: ClientFor
) -> None:
    comparison, client = start(alice, echoes), client_for(alice)
    path = f"/compare/{comparison.pk}/"
    body = {"title": "New title", "tags": "a, b", "is_shared": "on"}
    assert client.post(f"{path}about/", body).status_code == 302
    kept = fresh(comparison)
    assert (kept.title, kept.tags, kept.is_shared) == ("New title", ["a", "b"], True)
    wrong = client.post(f"{path}about/", {"title": "", "tags": "a"})
    assert wrong.status_code == 422 and "data-open" in wrong.content.decode()

    reader = client_for(bob)
    page = reader.get(path).content.decode()
    assert f"{alice.email} shares this with you" in page and "data-composer" not in page
    assert "New title" in reader.get("/compare/?of=shared").content.decode()
    for rest in ("messages", "votes", "again", "about", "delete", "stop", "chats", "reveal"):
        assert reader.post(f"{path}{rest}/", {"column": "1"}).status_code == 404


def test_history_is_searched(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    comparison = start(alice, echoes, "Where do swallows spend the winter?")
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=2)
    start(alice, echoes[:2], "Another", is_blind=True)
    client = client_for(alice)
    page = client.get("/compare/").content.decode()
    assert "B is better" in page and "2 models, blind" in page
    found = client.get("/compare/?q=SWALLOWS").content.decode()
    assert "swallows" in found and ">Another<" not in found
    assert "No comparison contains this." in client.get("/compare/?q=zebra").content.decode()


def test_exports_hold_everything(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    comparison = start(alice, echoes, "Export me", system_prompt="Be brief.", tags=["x"])
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=1, note="Good")
    comparing.ask_all(comparison=comparison, actor=alice, content="second question")
    assert generator.wait(20)
    client = client_for(alice)
    answer = client.get(f"/compare/{comparison.pk}/export/?format=md")
    text = answer.content.decode()
    assert 'filename="Export-me.md"' in answer.headers["Content-Disposition"]
    for part in ("# Export me", "Be brief.", "### A · Falcon", "> second question", "A. Good"):
        assert part in text
    assert text.count("| ") and text.count("\n### ") == 6
    rows = json.loads(client.get(f"/compare/{comparison.pk}/export/?format=json").content)
    assert len(rows["columns"][2]["messages"]) == 4 and rows["votes"][0]["note"] == "Good"
    assert client.get(f"/compare/{comparison.pk}/export/?format=exe").status_code == 404


def test_words_that_differ_are_marked(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    choices = [
        comparing.Choice(echoes[0], parameters={"max_tokens": 1}),
        comparing.Choice(echoes[1]),
    ]
    prompt = "<b>one</b> two"
    comparison = comparing.start(owner=alice, prompt=prompt, choices=choices)
    assert generator.wait(20)
    path = f"/compare/{comparison.pk}/difference/"
    page = client_for(alice).get(path).content.decode()
    assert "<ins>" in page and "<b>one" not in page and "&lt;b&gt;one" in page
    assert client_for(alice).get(f"{path}?left=1&right=5").status_code == 404
    assert client_for(alice).get(f"{path}?round=3").status_code == 404


def test_deleting(echoes: list[ProviderModel], alice: User, client_for: ClientFor) -> None:
    comparison = start(alice, echoes)
    answer = client_for(alice).post(f"/compare/{comparison.pk}/delete/")
    assert answer.headers["Location"] == "/compare/" and not ChatSession.objects.exists()


def test_the_leaderboard_says_what_it_lacks(
    echoes: list[ProviderModel], alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    assert "No vote yet" in client.get("/compare/leaderboard/").content.decode()
    comparison = start(alice, echoes, tags=["code"])
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=1)
    page = client.get("/compare/leaderboard/").content.decode()
    assert "9 votes too few" in page and "No model has 10 votes yet" in page
    assert "?tag=code" in page and "Bradley-Terry" in page
