"""Everything that the pages of feedback do, for programs."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat import feedback
from chat.models import Feedback
from chat.tests.feedback_cast import accepted, answered, rated

Api = Callable[[User], Any]
pytestmark = pytest.mark.django_db


def test_rate_correct_and_take_away(alice: User, bob: User, api: Api) -> None:
    answer = answered(alice, "Who are you?", "Maple")
    path = f"feedback/messages/{answer.pk}"
    client = api(alice)
    assert client.get(path).json() is None
    put = client.client.put
    sent = {"verdict": "down", "reason": "wrong", "correction": "Oak"}
    shown = put(f"/api/v1/{path}", sent, content_type="application/json").json()
    assert (shown["kind"], shown["correction"], shown["model"]) == ("correction", "Oak", "qwen")
    assert client.get("feedback?kind=correction").json()["count"] == 1
    assert client.get("feedback?kind=up").json()["count"] == 0
    bad = put(f"/api/v1/{path}", {"reason": "x"}, content_type="application/json")
    assert bad.status_code == 422 and "reason" in bad.json()["error"]["fields"]
    assert api(bob).get(path).status_code == 404
    assert client.delete(path).status_code == 204
    assert not Feedback.objects.exists()


def test_review_collect_and_withdraw(alice: User, bob: User, admin_user: User, api: Api) -> None:
    person, reviewer = api(alice), api(admin_user)
    given = rated(alice, "Mail zoe@example.org", "Done")
    assert reviewer.get("feedback/inbox").json()["count"] == 0
    put = person.client.put
    told = put("/api/v1/feedback/consent", {"is_given": True}, content_type="application/json")
    assert told.json()["is_given"] is True
    (row,) = reviewer.get("feedback/inbox?person=alice@example.com").json()["items"]
    assert (row["id"], row["person"]) == (given.pk, "alice@example.com")
    shown = reviewer.get(f"feedback/inbox/{given.pk}").json()
    assert shown["example"]["messages"][0]["content"] == "Mail zoe@example.org"
    decided = reviewer.post(f"feedback/inbox/{given.pk}/decision", decision="accept", tags=["a"])
    assert (decided.json()["state"], decided.json()["tags"]) == ("accepted", ["a"])
    body = {"name": "good", "purpose": "sft", "anonymising": {"emails": True}}
    seen = reviewer.post("feedback/collections/preview", **body).json()
    assert seen["count"] == 1 and seen["changes"][0]["after"] == "Mail [EMAIL]"
    made = reviewer.post("feedback/collections", **body).json()
    assert (made["status"], made["version"]) == ("done", 1)
    origins = reviewer.get(f"feedback/datasets/{made['dataset_id']}/origins").json()
    (source,) = origins["items"][0]["sources"]
    assert source["message_id"] == str(given.message_id)
    assert source["url"] == f"/feedback/{given.pk}/" and source["consented_at"]
    uses = person.get(f"feedback/messages/{given.message_id}/uses").json()
    assert [each["name"] for each in uses["datasets"]] == ["good"]
    put("/api/v1/feedback/consent", {"is_given": False}, content_type="application/json")
    assert person.get("feedback/uses").json()["datasets"][0]["version"] == 1
    again = reviewer.post(f"feedback/collections/{made['id']}/collect")
    assert again.status_code == 422
    assert reviewer.get(f"feedback/collections/{made['id']}").json()["status"] == "failed"
    assert reviewer.delete(f"feedback/collections/{made['id']}").status_code == 422
    assert api(bob).get(f"feedback/collections/{made['id']}").status_code == 404


def test_many_decisions(alice: User, bob: User, admin_user: User, api: Api) -> None:
    feedback.give_consent(user=alice)
    ids = [rated(alice, f"Question {number}", "Good").pk for number in range(3)]
    told = api(admin_user).post("feedback/inbox/decisions", ids=ids[:2], decision="reject")
    assert told.json() == {"done": 2, "refused": []}
    assert api(admin_user).get("feedback/inbox").json()["count"] == 1
    for path in ("feedback/inbox", "feedback/reviewers"):
        assert api(bob).get(path).status_code == 403
    own = f"feedback/inbox/{ids[0]}"
    assert api(alice).get(own).status_code == 200
    assert api(alice).post(f"{own}/decision", decision="accept").status_code == 403
    assert api(bob).get(own).status_code == 404


def test_reviewers(bob: User, admin_user: User, api: Api) -> None:
    client = api(admin_user)
    assert client.post("feedback/reviewers", email=bob.email).status_code == 201
    assert client.get("feedback/reviewers").json()["items"][0]["named_by"] == admin_user.email
    assert api(bob).get("feedback/inbox").status_code == 200
    assert client.delete(f"feedback/reviewers/{bob.pk}").status_code == 204
    assert api(bob).get("feedback/inbox").status_code == 403


def test_patterns_are_checked(alice: User, admin_user: User, api: Api) -> None:
    accepted(admin_user, alice, "One", "1")
    for pattern in ("([", "a*"):
        body = {"name": "x", "purpose": "sft", "anonymising": {"patterns": [pattern]}}
        refused = api(admin_user).post("feedback/collections", **body)
        assert refused.status_code == 422 and "patterns" in refused.json()["error"]["fields"]
