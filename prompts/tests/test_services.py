"""Verbs about prompts."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent, User
from prompts import services
from prompts.models import Prompt


def _prompt(owner: User, **fields: Any) -> Prompt:
    return services.create_prompt(
        actor=owner, **{"title": "Translate", "text": "{{text}} → {{to|English}}", **fields}
    )


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("title", " "),
        ("title", "x" * 201),
        ("title", "a\u202eb"),
        ("title", "a\x00b"),
        ("text", "\n "),
        ("text", "a\x00"),
        ("text", "x" * 50_001),
        ("tags", ["x" * 41]),
        ("tags", ["a\u200bb"]),
        ("tags", [str(number) for number in range(13)]),
    ],
)
def test_bad_values_are_refused_by_field(alice: User, field: str, value: Any) -> None:
    with pytest.raises(ValidationError) as raised:
        _prompt(alice, **{field: value})
    assert list(raised.value.message_dict) == [field]
    assert not Prompt.objects.exists()


def test_every_bad_field_is_named_at_once(alice: User) -> None:
    with pytest.raises(ValidationError) as raised:
        _prompt(alice, title="", text="", tags=["x" * 41])
    assert set(raised.value.message_dict) == {"title", "text", "tags"}


def test_tags_are_trimmed_and_unique_whatever_their_case(alice: User) -> None:
    prompt = _prompt(alice, tags=[" Office ", "office", "", "办公", "a  b"])
    assert set(prompt.tags) == {"Office", "a b", "办公"}  # databases sort by their own rules


def test_slashes_and_lines_are_part_of_titles_and_texts(alice: User) -> None:
    prompt = _prompt(alice, title="EN/中文", text="one\r\ntwo\n")
    assert (prompt.title, prompt.text) == ("EN/中文", "one\ntwo")


def test_only_administrators_make_the_companys(alice: User, admin_user: User) -> None:
    with pytest.raises(ValidationError) as raised:
        _prompt(alice, is_company=True)
    assert "is_company" in raised.value.message_dict
    prompt = _prompt(admin_user, is_company=True, is_shared=True)
    assert prompt.owner is None and not prompt.is_shared
    assert prompt in Prompt.objects.for_user(alice)


def test_changes_are_audited_with_what_changed(alice: User) -> None:
    prompt = _prompt(alice, tags=["a"], is_shared=True)
    changed = services.change_prompt(
        prompt=prompt, actor=alice, title="New", text=prompt.text, tags=["b"]
    )
    assert (changed.title, changed.tags) == ("New", ["b"])
    event = AuditEvent.objects.get(action="prompt.update")
    assert event.before == {"title": "Translate", "tags": ["a"]}
    assert event.after == {"title": "New", "tags": ["b"]}
    services.delete_prompt(prompt=changed, actor=alice)
    assert AuditEvent.objects.filter(action="prompt.delete").exists()


def test_private_words_stay_out_of_the_audit_log(alice: User) -> None:
    prompt = _prompt(alice, title="A private thought", text="a private thought")
    words = {"title": "Another private thought", "text": "another private thought"}
    prompt = services.change_prompt(prompt=prompt, actor=alice, **words)
    prompt = services.change_prompt(
        prompt=prompt, actor=alice, title="Ours", text="ours", is_shared=True
    )
    words = {"title": "Mine again: a private thought", "text": "a private thought"}
    prompt = services.change_prompt(prompt=prompt, actor=alice, is_shared=False, **words)
    services.delete_prompt(prompt=prompt, actor=alice)
    assert "private thought" not in str(list(AuditEvent.objects.values()))
    assert "Ours" in str(list(AuditEvent.objects.values()))
    shared = _prompt(alice, is_shared=True)
    services.change_prompt(prompt=shared, actor=alice, text="for everybody")
    after = AuditEvent.objects.filter(action="prompt.update").first()
    assert after is not None and after.after is not None
    assert after.after["text"] == "for everybody" and after.after["version"] == 2


def test_a_copy_is_private_and_the_copiers(alice: User, bob: User) -> None:
    prompt = _prompt(alice, tags=["a"], is_shared=True, title="x" * 200)
    made = services.copy_prompt(prompt=prompt, actor=bob)
    assert (made.owner, made.is_shared, made.tags, made.text) == (bob, False, ["a"], prompt.text)
    assert len(made.title) <= 200


def test_filling_in_counts_as_a_use(alice: User) -> None:
    prompt = _prompt(alice)
    assert services.fill_in(prompt=prompt, values={"text": 5}) == "5 → English"
    with pytest.raises(ValidationError) as raised:
        services.fill_in(prompt=prompt, values={"other": "x"})
    assert set(raised.value.message_dict) == {"text", "other"}
    prompt.refresh_from_db()
    assert prompt.uses == 1


def test_search_and_tags_find_words_anywhere(alice: User, bob: User) -> None:
    one = _prompt(alice, title="Weekly report", text="Summarise {{notes}}", tags=["Office"])
    two = _prompt(alice, title="翻译", text="翻译成{{language}}", tags=["language"])
    mine = Prompt.objects.for_user(alice)
    assert list(mine.matching("office WEEKLY")) == [one]
    assert list(mine.matching("翻译 language")) == [two]
    assert list(mine.matching("weekly language")) == []
    assert set(mine.matching(" ")) == {one, two}
    assert list(mine.tagged("office")) == [one]
    assert list(Prompt.objects.for_user(bob)) == []
