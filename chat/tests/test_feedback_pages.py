"""Rating, reviewing and collecting on pages."""

from collections.abc import Callable

import pytest
from django.test import Client

from accounts.models import AuditEvent, User, UserNotice
from chat import collecting, feedback, reviewing
from chat.models import Collection, Feedback, Message, Reviewer, ReviewState, TrainingConsent
from chat.tests.feedback_cast import accepted, another, answered, rated
from training.models import Dataset

ClientFor = Callable[[User], Client]
HTMX = {"HX-Request": "true"}
pytestmark = pytest.mark.django_db


def text(response: object) -> str:
    return response.content.decode()  # type: ignore[attr-defined,no-any-return]


def test_a_thumb_asks_for_the_consent_once(alice: User, client_for: ClientFor) -> None:
    client, answer = client_for(alice), answered(alice, "Who are you?", "Maple")
    path = f"/feedback/messages/{answer.pk}/"
    row = text(client.post(path, {"verdict": "up"}, headers=HTMX))
    assert 'aria-pressed="true"' in row and "May models learn" in row and "What it should" in row
    said = text(client.post("/feedback/consent/", {"given": "yes"}, headers=HTMX))
    assert "Reviewers may use" in said
    assert TrainingConsent.objects.get().is_given
    row = text(client.post(path, {"verdict": "down"}, headers=HTMX))
    assert "May models learn" not in row and "Wrong or made up" in row
    assert Feedback.objects.get().kind == "down"
    row = text(client.post(path, {"verdict": ""}, headers=HTMX))
    assert 'aria-pressed="true"' not in row and not Feedback.objects.exists()


def test_the_chat_shows_what_was_said(alice: User, client_for: ClientFor) -> None:
    given = rated(alice, "Who are you?", "Maple", "down", correction="Oak")
    assert given.message is not None
    page = text(client_for(alice).get(f"/chat/{given.message.session_id}/"))
    assert page.count('aria-pressed="true"') == 1 and "Corrected" in page


def test_an_answer_without_a_model_has_a_time_alone(alice: User, client_for: ClientFor) -> None:
    given = rated(alice, "Who are you?", "Maple", "down")
    assert given.message is not None
    Message.objects.filter(pk=given.message.pk).update(model_label="")
    page = text(client_for(alice).get(f"/feedback/messages/{given.message_id}/"))
    assert '<p class="lead"><time' in page


def test_a_correction_is_kept_beside_the_answer(alice: User, client_for: ClientFor) -> None:
    client, answer = client_for(alice), answered(alice, "Who are you?", "Maple")
    path = f"/feedback/messages/{answer.pk}/"
    sent = {"reason": "wrong", "note": "No tree", "correction": "I am Oak."}
    assert client.post(path, sent).status_code == 302
    page = text(client.get(path))
    assert "As you would have it" in page and "I am Oak." in page and "Maple" in page
    answer.refresh_from_db()
    assert answer.content == "Maple" and Feedback.objects.get().kind == "correction"
    refused = client.post(path, {"correction": "x" * 200_001}, headers=HTMX)
    assert refused.status_code == 422 and "at most" in text(refused)


def test_questions_and_answers_of_others_cannot_be_rated(
    alice: User, bob: User, client_for: ClientFor
) -> None:
    answer = answered(alice, "Who are you?", "Maple")
    path = f"/feedback/messages/{answer.pk}/"
    assert client_for(bob).post(path, {"verdict": "up"}).status_code == 404
    question = f"/feedback/messages/{answer.parent_id}/"
    refused = client_for(alice).post(question, {"verdict": "up"})
    assert refused.status_code == 422 and not Feedback.objects.exists()


def test_reviewers_see_only_who_agreed(
    alice: User, bob: User, admin_user: User, client_for: ClientFor
) -> None:
    given = rated(alice, "My secret question", "Maple")
    client = client_for(admin_user)
    assert "My secret question" not in text(client.get("/feedback/inbox/"))
    assert client.get(f"/feedback/{given.pk}/").status_code == 404
    feedback.give_consent(user=alice)
    assert "My secret question" in text(client.get("/feedback/inbox/"))
    assert client.get(f"/feedback/{given.pk}/").status_code == 200
    assert client_for(bob).get("/feedback/inbox/").status_code == 403
    assert client_for(bob).post("/feedback/inbox/decide/").status_code == 403
    assert client_for(bob).get(f"/feedback/{given.pk}/").status_code == 404


def test_administrators_name_reviewers(
    alice: User, bob: User, admin_user: User, client_for: ClientFor
) -> None:
    client = client_for(admin_user)
    assert client_for(bob).get("/feedback/reviewers/").status_code == 403
    assert client.post("/feedback/reviewers/", {"email": "x@example.com"}).status_code == 422
    client.post("/feedback/reviewers/", {"email": "Bob@example.com"})
    assert Reviewer.objects.get().named_by == admin_user
    assert UserNotice.objects.get(user=bob).path == "/feedback/inbox/"
    assert client_for(bob).get("/feedback/inbox/").status_code == 200
    client.post(f"/feedback/reviewers/{bob.pk}/remove/")
    assert client_for(bob).get("/feedback/inbox/").status_code == 403
    actions = AuditEvent.objects.filter(action__startswith="reviewer.")
    assert {event.action for event in actions} == {"reviewer.name", "reviewer.unname"}


def test_a_reviewer_changes_and_accepts(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    feedback.give_consent(user=alice)
    older = rated(alice, "Older", "1")
    given = rated(alice, "Who are you?", "Maple", "down", note="No tree")
    client, path = client_for(admin_user), f"/feedback/{given.pk}/"
    page = text(client.get(path))
    assert "No tree" in page and "Maple" in page
    sent = {"role": ["user"], "content": ["Who are you, please?"], "rejected": "Maple"}
    sent |= {"tags": "names, style"}
    refused = client.post(path, {**sent, "content": [""], "decision": "accept"})
    assert refused.status_code == 422
    response = client.post(path, {**sent, "chosen": "I am Oak.", "decision": "accept"})
    assert response.headers["Location"] == f"/feedback/{older.pk}/"
    given.refresh_from_db()
    turns = [{"role": "user", "content": "Who are you, please?"}]
    wanted = {"messages": turns, "chosen": "I am Oak.", "rejected": "Maple"}
    assert given.example == wanted and given.state == ReviewState.ACCEPTED
    assert given.reviewed_by == admin_user and given.tags == ["names", "style"]
    assert "Who are you" in text(client.get("/feedback/inbox/?state=accepted&tag=style"))
    assert "Nothing found" in text(client.get("/feedback/inbox/?state=accepted&tag=other"))
    client.post(path, {"decision": "reopen"})
    given.refresh_from_db()
    assert given.state == ReviewState.PENDING and given.example == {}


def test_what_a_person_changes_is_reviewed_again(alice: User, admin_user: User) -> None:
    given = accepted(admin_user, alice, "Who are you?", "Maple")
    assert given.message is not None
    feedback.give(message=given.message, user=alice, note="really")
    given.refresh_from_db()
    assert given.state == ReviewState.ACCEPTED
    feedback.give(message=given.message, user=alice, correction="Oak")
    given.refresh_from_db()
    assert given.state == ReviewState.PENDING and not given.has_chosen


def test_a_reviewer_makes_texts_anonymous(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    feedback.give_consent(user=alice)
    given = rated(alice, "Mail zoe@example.org", "Done")
    client, path = client_for(admin_user), f"/feedback/{given.pk}/"
    sent = {"role": ["user"], "content": ["Mail zoe@example.org"], "chosen": "Done"}
    page = text(client.post(path, {**sent, "decision": "anonymise", "emails": "on"}))
    assert "Before and after" in page and ">Mail [EMAIL]</textarea>" in page
    given.refresh_from_db()
    assert given.state == ReviewState.PENDING
    bad = client.post(path, {**sent, "decision": "anonymise", "patterns": "(["})
    assert bad.status_code == 422 and "no regular expression" in text(bad)
    slow = {**sent, "content": ["a" * 40 + "!"], "patterns": "(a|a)+$x"}
    late = client.post(path, {**slow, "decision": "anonymise"})
    assert late.status_code in (200, 422)


def test_many_are_decided_at_once(alice: User, admin_user: User, client_for: ClientFor) -> None:
    feedback.give_consent(user=alice)
    rows = [rated(alice, f"Question {number}", "Good") for number in range(3)]
    bare = rated(alice, "Bare", "Bad", "down")
    client = client_for(admin_user)
    chosen = [rows[0].pk, rows[1].pk, bare.pk]
    sent = {"chosen": chosen, "decision": "accept"}
    response = client.post("/feedback/inbox/decide/?kind=up", sent, follow=True)
    assert response.redirect_chain == [("/feedback/inbox/?kind=up", 302)]
    assert "3 answers are accepted." in text(response)
    states = list(Feedback.objects.order_by("pk").values_list("state", flat=True))
    assert states == ["accepted", "accepted", "pending", "accepted"]
    assert "Tick the answers first" in text(client.post("/feedback/inbox/decide/", follow=True))


def test_collect_and_see_where_records_come_from(
    alice: User, admin_user: User, client_for: ClientFor
) -> None:
    given = accepted(admin_user, alice, "Mail zoe@example.org", "Done")
    client = client_for(admin_user)
    form = text(client.get("/feedback/collections/new/?scope=reviewed&kind=up"))
    assert "What reviewers have accepted" in form
    sent = {"name": "good", "purpose": "sft", "scope": "reviewed", "emails": "on", "kind": "up"}
    page = text(client.post("/feedback/collections/new/", {**sent, "preview": "1"}))
    assert "Mail [EMAIL]" in page and not Collection.objects.exists()
    none = client.post("/feedback/collections/new/", {**sent, "kind": "down"})
    assert none.status_code == 422 and "No example fits" in text(none)
    client.post("/feedback/collections/new/", sent)
    dataset = Dataset.objects.get()
    collection = Collection.objects.get()
    page = text(client.get(f"/feedback/collections/{collection.pk}/"))
    assert f"/datasets/{dataset.pk}/" in page and "E-mail addresses" in page
    assert f"/feedback/datasets/{dataset.pk}/card/" in text(client.get(f"/datasets/{dataset.pk}/"))
    card = text(client.get(f"/feedback/datasets/{dataset.pk}/card/"))
    assert "1 record comes from rated answers" in card
    card = text(client.get(f"/feedback/datasets/{dataset.pk}/card/?number=1"))
    assert f"/feedback/{given.pk}/" in card and "alice@example.com" in card
    origins = text(client.get(f"/feedback/datasets/{dataset.pk}/"))
    assert f"/feedback/{given.pk}/" in origins
    assert given.message is not None
    uses = text(client_for(alice).get(f"/feedback/messages/{given.message_id}/"))
    assert "good" in uses and f"/datasets/{dataset.pk}/" not in uses


def test_a_withdrawal_on_the_page(alice: User, admin_user: User, client_for: ClientFor) -> None:
    accepted(admin_user, alice, "Who are you?", "Maple")
    feedback.give_consent(user=admin_user)
    accepted(admin_user, admin_user, "And you?", "Oak")
    collection = collecting.create(owner=admin_user, name="trees", purpose="sft")
    client = client_for(alice)
    assert "trees" in text(client.get("/feedback/"))
    page = text(client.post("/feedback/consent/", {"given": "no"}, follow=True))
    assert "Your consent is withdrawn" in page and "trees" in page and "Yes, I agree" in page
    newest = collecting.newest_of(collection)
    assert newest is not None and (newest.version, newest.records) == (2, 1)
    told = text(client_for(admin_user).get(f"/datasets/{newest.pk}/versions/"))
    assert "1 record is left out: the person it came from has taken it back." in told
    first = newest.versions[1]
    page = text(client_for(admin_user).get(f"/feedback/datasets/{first.pk}/"))
    assert "taken back" in page


def test_own_answers_become_an_own_dataset(alice: User, client_for: ClientFor) -> None:
    rated(alice, "Who are you?", "Maple")
    client = client_for(alice)
    page = text(client.get("/feedback/collections/new/?scope=own"))
    assert "What reviewers have accepted" not in page
    client.post("/feedback/collections/new/", {"name": "me", "purpose": "kto", "scope": "own"})
    assert (Dataset.objects.get().owner, Dataset.objects.get().format) == (alice, "kto")
    other = {"name": "all", "purpose": "sft", "scope": "reviewed"}
    assert client.post("/feedback/collections/new/", other).status_code == 422


def test_filters_of_the_own_page(alice: User, client_for: ClientFor) -> None:
    rated(alice, "Good question", "Maple")
    rated(alice, "Bad question", "Maple", "down", reason="style")
    client = client_for(alice)
    page = text(client.get("/feedback/?kind=down&reason=style&model=qwen&since=2020-01-01"))
    assert "Bad question" in page and "Good question" not in page
    assert "Nothing found" in text(client.get("/feedback/?until=2020-01-01"))
    assert "Good question" in text(client.get("/feedback/?kind=nonsense&since=x"))


def test_versions_that_were_rated_differently_make_a_pair(alice: User, admin_user: User) -> None:
    good = answered(alice, "Who are you?", "Maple")
    assert good.parent is not None
    bad = another(good.parent, "Nobody")
    feedback.give(message=bad, user=alice, verdict="down")
    given = feedback.give(message=good, user=alice, verdict="up")
    assert given is not None
    reviewing.accept(feedback=given, actor=admin_user)
    assert (given.example["chosen"], given.example["rejected"]) == ("Maple", "Nobody")
