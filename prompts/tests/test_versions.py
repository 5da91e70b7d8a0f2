"""Versions, labels and statistics."""

from typing import Any

import pytest
from django.core.exceptions import PermissionDenied, ValidationError

from accounts.models import AuditEvent, User
from prompts import services, usage, versions
from prompts.models import Prompt, PromptVersion


def _prompt(owner: User, **fields: Any) -> Prompt:
    return services.create_prompt(
        actor=owner, **{"title": "Translate", "text": "one {{a}}", **fields}
    )


def _changed(prompt: Prompt, actor: User, text: str, **fields: Any) -> Prompt:
    return services.change_prompt(prompt=prompt, actor=actor, text=text, **fields)


def _said(prompt: Prompt) -> list[tuple[int, str, str]]:
    return list(prompt.versions.values_list("number", "text", "note"))


def test_another_text_is_a_new_version_and_other_words_are_none(alice: User) -> None:
    prompt = _prompt(alice)
    prompt = services.change_prompt(prompt=prompt, actor=alice, title="New", tags=["x"])
    assert prompt.number == 1
    prompt = _changed(prompt, alice, "two", note="Shorter")
    prompt = _changed(prompt, alice, "two", note="Nothing")
    assert _said(prompt) == [(2, "two", "Shorter"), (1, "one {{a}}", "")]
    assert (prompt.number, prompt.text) == (2, "two")


def test_other_variables_are_a_new_version(alice: User) -> None:
    prompt = _prompt(alice)
    specs = [{"name": "a", "type": "number", "maximum": 3}]
    prompt = services.change_prompt(prompt=prompt, actor=alice, variables=specs)
    assert prompt.number == 2
    assert [variable.type for variable in prompt.variables] == ["number"]
    assert [v.variables[0].type for v in prompt.versions.order_by("number")] == ["text", "number"]


def test_a_version_never_changes(alice: User) -> None:
    version = _prompt(alice).versions.get()
    version.text = "changed"
    with pytest.raises(TypeError):
        version.save()
    version.refresh_from_db()
    assert version.text == "one {{a}}"


def test_who_saves_second_is_told_and_loses_nothing(alice: User, bob: User) -> None:
    prompt = _prompt(alice, is_shared=True, everyone_edits=True)
    _changed(prompt, bob, "bob's", based_on=1)
    with pytest.raises(ValidationError) as raised:
        _changed(prompt, alice, "alice's", based_on=1)
    assert "2" in str(raised.value.message_dict["based_on"])
    assert _changed(prompt, alice, "alice's", based_on=2).number == 3


def test_restoring_is_a_new_version(alice: User) -> None:
    prompt = _changed(_prompt(alice), alice, "two")
    made = versions.restore(version=prompt.versions.get(number=1), actor=alice)
    assert (made.number, made.text, made.author) == (3, "one {{a}}", alice)
    assert "1" in made.note
    prompt.refresh_from_db()
    assert (prompt.number, prompt.text, len(_said(prompt))) == (3, "one {{a}}", 3)
    with pytest.raises(ValidationError):
        versions.restore(version=made, actor=alice)
    event = AuditEvent.objects.get(action="prompt.restore")
    assert event.after == {"version": 3, "restored": 1}


def test_a_label_moves_and_the_audit_log_says_from_where(alice: User) -> None:
    prompt = _changed(_prompt(alice), alice, "two")
    one, two = prompt.versions.order_by("number")
    for version in (one, two):
        versions.move_label(version=version, name=" Production ", actor=alice)
    label = prompt.labels.get()
    assert (label.name, label.version, label.moved_by) == ("production", two, alice)
    moves = AuditEvent.objects.filter(action="prompt.label").order_by("pk")
    assert [(move.before or {}).get("version") for move in moves] == [None, 1]
    versions.remove_label(label=label, actor=alice)
    assert not prompt.labels.exists()
    assert AuditEvent.objects.filter(action="prompt.unlabel").exists()


@pytest.mark.parametrize("name", ["", "latest", "LATEST", "3", "a b", "-a", "x" * 41, "a\x00"])
def test_labels_have_names_of_their_own(alice: User, name: str) -> None:
    version = _prompt(alice).versions.get()
    with pytest.raises(ValidationError):
        versions.move_label(version=version, name=name, actor=alice)


def test_production_is_the_owners(alice: User, bob: User, admin_user: User) -> None:
    prompt = _prompt(alice, is_shared=True, everyone_edits=True)
    version = prompt.versions.get()
    versions.move_label(version=version, name="草稿", actor=bob)
    with pytest.raises(PermissionDenied):
        versions.move_label(version=version, name="production", actor=bob)
    label = versions.move_label(version=version, name="production", actor=alice)
    with pytest.raises(PermissionDenied):
        versions.remove_label(label=label, actor=bob)
    company = _prompt(admin_user, is_company=True)
    with pytest.raises(PermissionDenied):
        versions.move_label(version=company.versions.get(), name="production", actor=alice)
    versions.move_label(version=company.versions.get(), name="production", actor=admin_user)


def test_readers_get_production_else_the_latest(alice: User) -> None:
    prompt = _changed(_prompt(alice, text="one"), alice, "two")
    assert services.fill_in(prompt=prompt, values={}) == "two"
    one = prompt.versions.get(number=1)
    versions.move_label(version=one, name="production", actor=alice)
    assert services.fill_in(prompt=prompt, values={}) == "one"
    assert versions.chosen(prompt, label="latest")[0].number == 2
    assert versions.chosen(prompt, number=2) == (prompt.versions.get(number=2), "")
    for wrong in ({"number": 9}, {"label": "none"}, {"number": 1, "label": "production"}):
        with pytest.raises(ValidationError):
            versions.chosen(prompt, **wrong)  # type: ignore[arg-type]


def test_uses_are_counted_by_version_and_label(alice: User) -> None:
    prompt = _changed(_prompt(alice, text="one"), alice, "two")
    one, two = prompt.versions.order_by("number")
    for version, label in ((one, "production"), (two, "draft"), (two, "draft"), (two, "")):
        services.fill_in(prompt=prompt, values={}, version=version, label=label)
    found = usage.usage_of(prompt)
    assert found.versions == [(2, 3), (1, 1)]
    assert dict(found.labels) == {"draft": 2, "production": 1, "": 1}
    assert (found.total, len(found.bars), len(found.bars[-1].parts)) == (4, 30, 2)
    prompt.refresh_from_db()
    assert prompt.uses == 4


def test_everyone_edits_what_is_open_to_all_and_only_that(alice: User, bob: User) -> None:
    closed = _prompt(alice, is_shared=True)
    opened = _prompt(alice, is_shared=True, everyone_edits=True)
    private = _prompt(alice, everyone_edits=True)
    assert not private.everyone_edits
    assert list(Prompt.objects.editable_by(bob)) == [opened]
    assert list(Prompt.objects.manageable_by(bob)) == []
    assert set(Prompt.objects.manageable_by(alice)) == {closed, opened, private}
    back = services.change_prompt(prompt=opened, actor=alice, is_shared=False)
    assert not back.everyone_edits


def test_a_copy_has_the_variables_and_a_history_of_its_own(alice: User, bob: User) -> None:
    prompt = _prompt(alice, is_shared=True, variables=[{"name": "a", "type": "date"}])
    prompt = _changed(prompt, alice, "two {{a}}")
    copied = services.copy_prompt(prompt=prompt, actor=bob)
    assert copied.variables[0].type == "date"
    assert PromptVersion.objects.filter(prompt=copied).count() == 1


def test_favourites_are_ones_own(alice: User, bob: User) -> None:
    prompt = _prompt(alice, is_shared=True)
    for _twice in range(2):
        services.set_favourite(prompt=prompt, user=bob, is_favourite=True)
    assert list(Prompt.objects.favourites_of(bob)) == [prompt]
    assert list(Prompt.objects.favourites_of(alice)) == []
    services.set_favourite(prompt=prompt, user=bob, is_favourite=False)
    assert list(Prompt.objects.favourites_of(bob)) == []
