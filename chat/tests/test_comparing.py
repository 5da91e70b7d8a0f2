"""Comparisons: asked together, shown blind, voted on."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent, User
from chat import comparing, voting
from chat.columns import Side, side_of, sides_of
from chat.comparing import Choice
from chat.errors import StillAnswering
from chat.generation import generator
from chat.models import ChatSession, Comparison, Message, Outcome, Vote
from providers.models import ProviderModel


def start(owner: User, models: list[ProviderModel], prompt: str = "Hi", **more: Any) -> Comparison:
    choices = [Choice(model) for model in models]
    found = comparing.start(owner=owner, prompt=prompt, choices=choices, **more)
    assert generator.wait(20)
    return found


def fresh(comparison: Comparison) -> Comparison:
    return Comparison.objects.get(pk=comparison.pk)


def side(comparison: Comparison, number: int = 1) -> Side:
    found = side_of(fresh(comparison), number)
    assert found is not None
    return found


def said(comparison: Comparison) -> list[list[str]]:
    return [[turn.message.content for turn in each.turns] for each in sides_of(fresh(comparison))]


def test_every_column_answers(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, "# Hello there")
    assert comparison.title == "Hello there"
    assert said(comparison) == [["# Hello there", "# Hello there"]] * 3
    labels = [each.label for each in sides_of(fresh(comparison))]
    assert labels == [model.name for model in echoes]
    comparing.ask_all(comparison=comparison, actor=alice, content="more")
    assert generator.wait(20)
    assert [len(column) for column in said(comparison)] == [4, 4, 4]


def test_columns_are_no_chats(echoes: list[ProviderModel], alice: User) -> None:
    start(alice, echoes)
    assert ChatSession.objects.count() == 3
    assert not ChatSession.objects.for_user(alice).exists()


@pytest.mark.parametrize("count", [1, 7])
def test_two_to_six_models(echoes: list[ProviderModel], alice: User, count: int) -> None:
    with pytest.raises(ValidationError):
        start(alice, [echoes[0]] * count)
    assert not Comparison.objects.exists() and not ChatSession.objects.exists()


def test_own_parameters_go_before_those_of_all(echoes: list[ProviderModel], alice: User) -> None:
    comparison = comparing.start(
        owner=alice,
        prompt="one two three",
        choices=[Choice(echoes[0]), Choice(echoes[0], "Own prompt", {"max_tokens": 1})],
        system_prompt="For all",
        parameters={"max_tokens": 2, "temperature": 0.5},
    )
    assert generator.wait(20)
    first, second = sides_of(fresh(comparison))
    assert (first.own, first.has_own_prompt) == ({}, False)
    assert (second.own, second.has_own_prompt) == ({"max_tokens": 1}, True)
    assert first.column.session.system_prompt == "For all"
    assert second.column.session.parameters == {"max_tokens": 1, "temperature": 0.5}
    assert [len(column[1].split()) for column in said(comparison)] == [2, 1]


def test_one_that_fails_leaves_the_others_alone(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes)
    echoes[1].provider.models.filter(pk=echoes[1].pk).delete()
    comparing.ask_all(comparison=comparison, actor=alice, content="again")
    assert generator.wait(20)
    first, gone, last = sides_of(fresh(comparison))
    assert gone.answer is not None and gone.answer.error_code == "no_such_model"
    assert [each.answer.content for each in (first, last) if each.answer] == ["again", "again"]
    assert [turn.message.position for turn in gone.turns] == [0, 1, 2, 3]
    # The next question goes to all of them, and a vote is on those that answered.
    comparing.ask_all(comparison=comparison, actor=alice, content="third")
    assert generator.wait(20)
    vote = voting.vote(comparison=comparison, actor=alice, outcome="best", best=3)
    assert (vote.round, vote.answered) == (3, [1, 3])
    with pytest.raises(ValidationError, match="has answered"):
        voting.vote(comparison=comparison, actor=alice, outcome="best", best=2)


def test_none_that_can_be_asked_is_a_refusal(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes)
    echoes[0].provider.models.all().delete()
    before = Message.objects.count()
    with pytest.raises(ValidationError):
        comparing.ask_all(comparison=comparison, actor=alice, content="again")
    assert Message.objects.count() == before


def test_one_column_answers_again_until_it_is_voted_on(
    echoes: list[ProviderModel], alice: User
) -> None:
    comparison = start(alice, echoes)
    comparing.ask_again(side=side(comparison), actor=alice)
    assert generator.wait(20)
    assert Message.objects.filter(role="assistant").count() == 4
    assert side(comparison).rounds == 1
    voting.vote(comparison=comparison, actor=alice, outcome=Outcome.TIE)
    with pytest.raises(ValidationError, match="has a vote"):
        comparing.ask_again(side=side(comparison), actor=alice)


def test_a_cut_answer_goes_on_also_while_it_is_blind(
    echoes: list[ProviderModel], alice: User
) -> None:
    comparison = start(
        alice, echoes, "one two three four", is_blind=True, parameters={"max_tokens": 2}
    )
    assert side(comparison).answer is not None
    comparing.go_on(side=side(comparison), actor=alice)
    assert generator.wait(20)
    row = Message.objects.get(pk=side(comparison).answer.pk)  # type: ignore[union-attr]
    assert row.content.startswith("one two") and len(row.content) > len("one two")
    assert row.model_label, "what is hidden from a reader was lost in the database"


def test_stopping_ends_all(echoes: list[ProviderModel], alice: User) -> None:
    comparison = comparing.start(
        owner=alice, prompt="/long 900", choices=[Choice(model) for model in echoes]
    )
    with pytest.raises(StillAnswering):
        comparing.ask_all(comparison=comparison, actor=alice, content="too early")
    with pytest.raises(StillAnswering):
        voting.vote(comparison=comparison, actor=alice, outcome=Outcome.TIE)
    assert comparing.stop(comparison=comparison) == 3
    assert generator.wait(20)
    statuses = [each.answer.status for each in sides_of(fresh(comparison)) if each.answer]
    assert statuses == ["stopped"] * 3


def test_a_blind_one_hides_everything_that_tells(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, is_blind=True)
    for each in sides_of(fresh(comparison)):
        assert each.label == each.name and each.provider == "" and each.own == {}
        for turn in each.turns:
            row = turn.message
            hidden = (row.model_label, row.cost, row.prompt_tokens, row.ttft_ms, row.duration_ms)
            assert hidden == ("", None, None, None, None)
            assert row.finish_reason == ""
    with pytest.raises(ValidationError, match="Vote first"):
        comparing.chat_with(side=side(comparison), actor=alice)
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=2, note=" clear ")
    vote = Vote.objects.get()
    assert (vote.is_blind, vote.note, vote.answered) == (True, "clear", [1, 2, 3])
    revealed = sides_of(fresh(comparison))
    assert {each.label for each in revealed} == {model.name for model in echoes}
    assert all(each.answer and each.answer.ttft_ms is not None for each in revealed)
    with pytest.raises(ValidationError, match="final"):
        voting.vote(comparison=fresh(comparison), actor=alice, outcome=Outcome.TIE)


def test_the_order_of_a_blind_one_is_shuffled(echoes: list[ProviderModel], alice: User) -> None:
    orders = set()
    for _time in range(12):
        comparison = start(alice, echoes, is_blind=True)
        columns = comparison.columns.order_by("number")
        orders.add(tuple(columns.values_list("session__model__name", flat=True)))
    # Twelve times the same of six orders: once in 360 million.
    assert len(orders) > 1


def test_names_shown_without_a_vote(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, is_blind=True)
    voting.reveal(comparison=comparison, actor=alice)
    assert not fresh(comparison).is_masked
    assert voting.vote(comparison=comparison, actor=alice, outcome="tie").is_blind is False


def test_an_open_vote_can_be_changed(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes)
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=1)
    voting.vote(comparison=comparison, actor=alice, outcome="all_bad", best=1, note="Wrong")
    vote = Vote.objects.get()
    assert (vote.outcome, vote.best, vote.note) == ("all_bad", None, "Wrong")


@pytest.mark.parametrize(("outcome", "best"), [("best", None), ("best", 4), ("nonsense", None)])
def test_votes_that_name_nothing(
    echoes: list[ProviderModel], alice: User, outcome: str, best: int | None
) -> None:
    comparison = start(alice, echoes)
    with pytest.raises(ValidationError):
        voting.vote(comparison=comparison, actor=alice, outcome=outcome, best=best)
    assert not Vote.objects.exists()


def test_a_vote_needs_two_answers(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, "/error")
    with pytest.raises(ValidationError, match="two answers"):
        voting.vote(comparison=comparison, actor=alice, outcome=Outcome.TIE)


def test_going_on_with_one_is_a_chat(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, system_prompt="Be brief.")
    chat = comparing.chat_with(side=side(comparison, 2), actor=alice)
    assert list(ChatSession.objects.for_user(alice)) == [chat]
    assert (chat.model, chat.system_prompt, chat.title) == (echoes[1], "Be brief.", "Hi")
    copied = list(chat.messages.order_by("position"))
    assert [row.content for row in copied] == ["Hi", "Hi"]
    assert copied[1].parent == copied[0] and chat.tip == copied[1]
    assert copied[1].ttft_ms == side(comparison, 2).answer.ttft_ms  # type: ignore[union-attr]
    assert said(comparison) == [["Hi", "Hi"]] * 3


def test_deleting_takes_the_columns_along(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes)
    voting.vote(comparison=comparison, actor=alice, outcome=Outcome.TIE)
    comparing.delete(comparison=comparison, actor=alice)
    for model in (Comparison, ChatSession, Message, Vote):
        assert not model.objects.exists()


def test_tags_are_few_and_each_once(echoes: list[ProviderModel], alice: User) -> None:
    comparison = start(alice, echoes, tags=["Code", "code", "  Chinese   law ", ""])
    assert comparison.tags == ["Chinese law", "code"]
    for bad in (["x" * 41], [str(n) for n in range(11)]):
        with pytest.raises(ValidationError):
            comparing.change(comparison=comparison, actor=alice, tags=bad)
    assert fresh(comparison).tags == ["Chinese law", "code"]


def test_search_finds_titles_tags_and_answers(
    echoes: list[ProviderModel], alice: User, bob: User
) -> None:
    comparison = start(alice, echoes, "Capital of France", tags=["geography"])
    mine = Comparison.objects.for_user(alice)
    for words in ("capital", "GEOGR", "of france"):
        assert list(mine.search(words)) == [comparison]
    assert not mine.search("Berlin").exists()
    assert not Comparison.objects.readable_by(bob).exists()
    comparing.change(comparison=comparison, actor=alice, is_shared=True)
    assert list(Comparison.objects.readable_by(bob)) == [comparison]


def test_the_audit_log_has_no_words_and_no_order(
    echoes: list[ProviderModel], alice: User, make_user: Callable[..., User]
) -> None:
    comparison = start(alice, echoes, "Secret question", is_blind=True)
    voting.vote(comparison=comparison, actor=alice, outcome="best", best=1, note="Secret note")
    comparing.change(comparison=comparison, actor=alice, title="Secret title")
    events = AuditEvent.objects.filter(action__startswith="comparison.")
    assert {event.action for event in events} == {
        *("comparison.create", "comparison.vote", "comparison.update")
    }
    for event in events:
        shown = f"{event.target_label} {event.before} {event.after}"
        assert "Secret" not in shown
        assert not any(model.name in shown for model in echoes)
