"""Accepted answers become datasets, with the way back; what is taken back leaves them again."""

from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from accounts.models import User, UserNotice
from chat import collecting, feedback, origins, reviewing, tasks, withdrawing
from chat.anonymising import Anonymiser
from chat.feedback_filters import Filters
from chat.models import (
    ChatSession,
    CollectedRow,
    Collection,
    CollectionStatus,
    Comparison,
    ComparisonColumn,
    Feedback,
    Vote,
)
from chat.tests.feedback_cast import accepted, another, answered, rated
from training import dataset_changes, datasets
from training.models import Dataset, Status
from training.tests.rows import make_job, make_version

pytestmark = pytest.mark.django_db


def collected(owner: User, purpose: str = "sft", **more: object) -> Collection:
    return collecting.create(owner=owner, name="answers", purpose=purpose, **more)


def newest(collection: Collection) -> Dataset:
    found = collecting.newest_of(collection)
    assert found is not None
    return found


def records(dataset: Dataset) -> list[dict[str, Any]]:
    return list(datasets.records_of(dataset)[:1000])


def last_texts(dataset: Dataset) -> list[str]:
    return [record["messages"][-1]["content"] for record in records(dataset)]


@pytest.fixture
def votes_and_edits(alice: User, bob: User, admin_user: User) -> list[Feedback]:
    """Five votes for one of two answers, and three answers that were corrected."""
    found = []
    for person in (alice, bob):
        feedback.give_consent(user=person)
    for number in range(5):
        good = answered(alice if number % 2 else bob, f"Question {number}", f"Good {number}")
        assert good.parent is not None
        bad = another(good.parent, f"Bad {number}")
        person = good.session.owner
        feedback.give(message=bad, user=person, verdict="down")
        vote = feedback.give(message=good, user=person, verdict="up")
        assert vote is not None
        found.append(vote)
    for number in range(3):
        found.append(rated(alice, f"Edit {number}", "Wrong", "down", correction=f"Right {number}"))
    for each in found:
        reviewing.accept(feedback=each, actor=admin_user)
    return found


@pytest.mark.parametrize(("purpose", "count"), [("sft", 8), ("dpo", 8), ("kto", 16)])
def test_votes_and_edits_make_a_dataset_without_errors(
    admin_user: User, votes_and_edits: list[Feedback], purpose: str, count: int
) -> None:
    dataset = newest(collected(admin_user, purpose))
    assert (dataset.records, dataset.rejected, dataset.errors) == (count, 0, [])
    assert purpose in dataset.stages


def test_each_record_knows_where_it_comes_from(
    alice: User, admin_user: User, votes_and_edits: list[Feedback]
) -> None:
    collection = collected(admin_user, "dpo")
    dataset = newest(collection)
    found = origins.origins_of(dataset, alice, start=0, stop=100)
    assert [origin.number for origin in found] == list(range(1, 9))
    rows = [row for origin in found for row, _path in origin.rows]
    assert [row.feedback for row in rows] == votes_and_edits
    assert {row.model_label for row in rows} == {"qwen"}
    assert all(row.consented_at and row.person.endswith("@example.com") for row in rows)
    own = [path for origin in found for row, path in origin.rows if row.user == alice]
    others = [path for origin in found for row, path in origin.rows if row.user != alice]
    assert all(path.startswith("/chat/") for path in own) and set(others) == {""}
    summary = origins.summary_of(dataset)
    assert summary is not None
    assert (summary.records, summary.people, summary.withdrawn) == (8, 2, 0)


def test_a_withdrawal_leaves_the_next_version_and_names_the_models(
    alice: User,
    bob: User,
    admin_user: User,
    votes_and_edits: list[Feedback],
) -> None:
    collection = collected(admin_user)
    first = newest(collection)
    version = make_version(make_job(admin_user, Status.SUCCESS, dataset=first))
    trail = withdrawing.withdraw(user=alice)
    assert trail.models == [version] and trail.datasets == [first]
    second = newest(collection)
    assert (second.version, second.change) == (2, {"kind": "withdrawal", "count": 5})
    assert last_texts(second) == ["Good 0", "Good 2", "Good 4"]
    assert last_texts(first)[:2] == ["Good 0", "Good 1"]
    summary = origins.summary_of(first)
    assert summary is not None and summary.withdrawn == 5
    notice = UserNotice.objects.get(user=admin_user)
    assert str(version) in notice.text and "5 records" in notice.text
    collecting.collect(collection=collection)
    assert last_texts(newest(collection)) == ["Good 0", "Good 2", "Good 4"]


def test_no_change_of_an_old_version_brings_withdrawn_records_back(
    alice: User, bob: User, admin_user: User, votes_and_edits: list[Feedback]
) -> None:
    first = newest(collected(admin_user))
    withdrawing.withdraw(user=alice)
    work = dataset_changes.exclude(dataset=first, actor=admin_user, numbers=[1])
    made = Dataset.objects.get(pk=work.results[0])
    assert last_texts(made) == ["Good 2", "Good 4"]
    with pytest.raises(ValidationError, match="taken back"):
        dataset_changes.restore(dataset=first, actor=admin_user)


def test_who_agrees_again_is_in_again(
    alice: User, bob: User, admin_user: User, votes_and_edits: list[Feedback]
) -> None:
    collection = collected(admin_user)
    withdrawing.withdraw(user=alice)
    feedback.give_consent(user=alice)
    collecting.collect(collection=collection)
    dataset = newest(collection)
    assert dataset.records == 8
    summary = origins.summary_of(dataset)
    assert summary is not None and summary.withdrawn == 0
    work = dataset_changes.exclude(dataset=dataset, actor=admin_user, numbers=[1])
    assert Dataset.objects.get(pk=work.results[0]).records == 7


def test_what_somebody_else_gave_word_for_word_stays(
    alice: User,
    bob: User,
    admin_user: User,
) -> None:
    accepted(admin_user, alice, "Who are you?", "Maple")
    accepted(admin_user, bob, "Who are you?", "Maple")
    accepted(admin_user, alice, "And you?", "Maple, too")
    collection = collected(admin_user)
    withdrawing.withdraw(user=alice)
    assert last_texts(newest(collection)) == ["Maple", "Maple"]
    collecting.collect(collection=collection)
    assert last_texts(newest(collection)) == ["Maple"]


def test_a_dataset_of_which_nothing_is_left_gets_no_version(
    alice: User,
    admin_user: User,
) -> None:
    accepted(admin_user, alice, "Who are you?", "Maple")
    collection = collected(admin_user)
    withdrawing.withdraw(user=alice)
    assert newest(collection).version == 1
    with pytest.raises(ValidationError):
        collecting.collect(collection=collection)
    collection.refresh_from_db()
    assert collection.status == CollectionStatus.FAILED and collection.error


def test_own_answers_need_no_consent_and_no_reviewer(alice: User, bob: User) -> None:
    rated(alice, "Who are you?", "Maple")
    rated(alice, "And now?", "Nobody", "down")
    rated(bob, "Who are you?", "Oak")
    collection = collected(alice, is_own=True)
    assert last_texts(newest(collection)) == ["Maple"]
    withdrawing.withdraw(user=alice)
    assert CollectedRow.objects.get().withdrawn_at is None
    with pytest.raises(ValidationError, match="Only reviewers"):
        collected(alice)


def test_collecting_again_takes_what_is_new(alice: User, admin_user: User) -> None:
    gone = accepted(admin_user, alice, "One", "1")
    accepted(admin_user, alice, "Two", "2")
    collection = collected(admin_user, filters=Filters(kind="up"))
    accepted(admin_user, alice, "Three", "3", verdict="down", correction="three")
    accepted(admin_user, alice, "Four", "4")
    reviewing.reject(feedback=gone, actor=admin_user)
    collecting.collect(collection=collection)
    dataset = newest(collection)
    assert dataset.version == 2 and last_texts(dataset) == ["2", "4"]
    assert collection.rows.count() == 3


def test_texts_and_people_are_made_unknown(alice: User, admin_user: User) -> None:
    accepted(admin_user, alice, "Write to zoe@example.org", "Call +49 170 1234567, Zoe")
    anonymiser = Anonymiser(emails=True, phones=True, names=("Zoe",))
    draft = collecting.draft(
        owner=admin_user,
        name="x",
        purpose="sft",
        is_own=False,
        filters=Filters(),
        anonymiser=anonymiser,
        is_pseudonymous=True,
    )
    shown = collecting.preview(draft)
    assert (shown.count, shown.people) == (1, 1)
    assert [each.after for each in shown.changes] == ["Write to [EMAIL]", "Call [PHONE], [NAME]"]
    collection = collected(admin_user, anonymiser=anonymiser, is_pseudonymous=True)
    turns = records(newest(collection))[0]["messages"]
    assert [turn["content"] for turn in turns] == ["Write to [EMAIL]", "Call [PHONE], [NAME]"]
    row = CollectedRow.objects.get()
    assert row.person.startswith("person-") and row.user == alice


def test_a_chat_that_is_deleted_takes_its_examples_along(alice: User, admin_user: User) -> None:
    first = accepted(admin_user, alice, "One", "1")
    accepted(admin_user, alice, "Two", "2")
    collection = collected(admin_user)
    assert first.message is not None
    first.message.session.delete()
    collecting.collect(collection=collection)
    assert last_texts(newest(collection)) == ["2"]
    assert CollectedRow.objects.filter(feedback=None).count() == 1


def test_an_answer_names_what_used_it(alice: User, admin_user: User) -> None:
    example = accepted(admin_user, alice, "One", "1")
    dataset = newest(collected(admin_user))
    version = make_version(make_job(admin_user, Status.SUCCESS, dataset=dataset))
    assert example.message is not None
    trail = origins.uses_of(example.message)
    assert (trail.datasets, trail.models) == ([dataset], [version])
    other = answered(alice, "Two", "2")
    assert origins.uses_of(other).is_empty


def test_a_vote_makes_a_pair(alice: User, admin_user: User) -> None:
    comparison = Comparison.objects.create(owner=alice, title="Trees")
    answers = []
    for number, said in ((1, "Oak"), (2, "Maple"), (3, "")):
        answers.append(answered(alice, "Which tree?", said, model=f"model {number}"))
        ComparisonColumn.objects.create(
            comparison=comparison, number=number, session=answers[-1].session
        )
    best = comparison.columns.get(number=2)
    vote = Vote.objects.create(
        comparison=comparison, voter=alice, outcome="best", best=best, answered=[1, 2], note="clear"
    )
    feedback.take_vote(vote=vote, winner=answers[1])
    feedback.give_consent(user=alice)
    given = reviewing.inbox().get()
    assert (given.kind, given.note, given.model_label) == ("vote", "clear", "model 2")
    reviewing.accept(feedback=given, actor=admin_user)
    (record,) = records(newest(collected(admin_user, "dpo")))
    assert (record["chosen"]["content"], record["rejected"]["content"]) == ("Maple", "Oak")
    feedback.take_vote(vote=vote, winner=None)
    assert not reviewing.inbox().exists()


def test_a_deleted_chat_is_in_no_inbox_and_no_later_version(alice: User, admin_user: User) -> None:
    gone = accepted(admin_user, alice, "One", "1")
    accepted(admin_user, alice, "Two", "2")
    collection = collected(admin_user)
    assert gone.message is not None
    ChatSession.objects.filter(pk=gone.message.session_id).update(deleted_at=timezone.now())
    assert reviewing.inbox().count() == 1
    assert Feedback.objects.for_user(alice).count() == 1
    collecting.collect(collection=collection)
    assert last_texts(newest(collection)) == ["2"]


def test_what_is_large_is_collected_by_the_worker(
    alice: User, admin_user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collecting, "AT_ONCE", 1)
    accepted(admin_user, alice, "One", "1")
    accepted(admin_user, alice, "Two", "2")
    collection = collected(admin_user)
    assert collection.status == CollectionStatus.WAITING and collection.dataset is None
    tasks.tend_examples()
    collection.refresh_from_db()
    assert collection.status == CollectionStatus.DONE
    assert last_texts(newest(collection)) == ["1", "2"]


def test_provenance_goes_with_its_datasets_only(alice: User, admin_user: User) -> None:
    accepted(admin_user, alice, "One", "1")
    collection = collected(admin_user)
    with pytest.raises(ValidationError, match="Delete its datasets first"):
        collecting.delete(collection=collection, actor=admin_user)
    newest(collection).delete()
    collecting.delete(collection=collection, actor=admin_user)
    assert not Collection.objects.exists()
