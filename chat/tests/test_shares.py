"""Shared chats: who reads what, for how long; copies; and chats on paper."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User, UserNotice
from accounts.services import deactivate
from chat import services, sharing
from chat.generation import generator
from chat.models import ChatSession, ChatShare, Message
from chat.search.finding import find
from chat.tests.test_attachments import keep, picture
from chat.threads import Tree
from conftest import ApiClient

ClientFor = Callable[[User], Client]


def ask(session: ChatSession, text: str, **options: Any) -> None:
    services.ask(session=session, actor=session.owner, content=text, **options)
    assert generator.wait(10)
    session.refresh_from_db()


def texts(session: ChatSession) -> list[str]:
    session.refresh_from_db()
    return [each.content for each in Tree.of(session).path_to(session.tip_id)]


@pytest.fixture
def told(session: ChatSession, alice: User) -> ChatSession:
    ChatSession.objects.update(system_prompt="Secret instructions", title="Holidays")
    session.refresh_from_db()
    file = keep(alice, b"A list of huts", "huts.txt")
    ask(session, "Where to go?", attachments=[file.pk])
    session.messages.filter(role="assistant").update(thinking_content="I repeat it")
    return session


def link(share: ChatShare) -> str:
    return f"/chat/shared/{share.pk}/"


def test_colleagues_read_what_was_shown(
    told: ChatSession, alice: User, bob: User, client_for: ClientFor
) -> None:
    share = sharing.share(session=told, actor=alice)
    ask(told, "A later secret")
    page = client_for(bob).get(link(share)).text
    assert "Holidays" in page and "alice@example.com" in page and "Where to go?" in page
    assert "I repeat it" in page, "thoughts are shown"
    assert "Secret instructions" not in page and "later secret" not in page
    assert f"/chat/{told.pk}/" not in page, "nothing of the owner's own pages"
    assert "data-composer" not in page and "/again/" not in page and "/edit/" not in page
    again = sharing.share(session=told, actor=alice, has_system_prompt=True, has_thoughts=False)
    assert again.pk == share.pk, "the link stays the same"
    page = client_for(bob).get(link(share)).text
    assert "later secret" in page and "Secret instructions" in page and "I repeat it" not in page


def test_other_versions_are_not_shared(
    told: ChatSession, alice: User, bob: User, client_for: ClientFor
) -> None:
    question = told.messages.get(role="user")
    ask(told, "Another wording", instead_of=question)
    share = sharing.share(session=told, actor=alice)
    page = client_for(bob).get(link(share)).text
    assert "Another wording" in page and "Where to go?" not in page
    kept = question.attachments.get()
    assert client_for(bob).get(f"{link(share)}files/{kept.pk}/").status_code == 404


def gone(share: ChatShare, reader: Client, file: uuid.UUID) -> bool:
    seen = {
        reader.get(link(share)).status_code,
        reader.post(f"{link(share)}copy/").status_code,
        reader.get(f"{link(share)}files/{file}/").status_code,
    }
    return seen == {404}


def test_a_link_ends(told: ChatSession, alice: User, bob: User, client_for: ClientFor) -> None:
    reader, file = client_for(bob), told.messages.get(role="user").attachments.get().pk
    share = sharing.share(session=told, actor=alice)
    shown = reader.get(f"{link(share)}files/{file}/")
    assert shown.status_code == 200 and shown.content == b"A list of huts"
    assert reader.get(f"/chat/attachments/{file}/").status_code == 404
    ChatSession.objects.update(deleted_at=timezone.now())
    assert gone(share, reader, file), "a deleted chat"
    ChatSession.objects.update(deleted_at=None)
    assert not gone(share, reader, file)
    assert client_for(bob).post(f"/chat/shares/{share.pk}/revoke/").status_code == 404
    assert client_for(alice).post(f"/chat/shares/{share.pk}/revoke/").status_code == 302
    assert gone(share, reader, file) and gone(ChatShare(), reader, file)
    fresh = sharing.share(session=told, actor=alice)
    assert fresh.pk != share.pk and gone(share, reader, file), "a revoked link never comes back"
    deactivate(user=alice, actor=None)
    assert gone(fresh, reader, file), "of somebody who has left"


def test_nobody_reads_without_a_sign_in(told: ChatSession, alice: User, client: Client) -> None:
    share = sharing.share(session=told, actor=alice)
    for path in (
        link(share),
        f"/chat/{told.pk}/share/",
        "/chat/shares/",
        f"/chat/{told.pk}/print/",
    ):
        assert client.get(path).headers["Location"].startswith("/accounts/login/")


def test_a_copy_is_the_readers_own(
    told: ChatSession, alice: User, bob: User, client_for: ClientFor
) -> None:
    share = sharing.share(session=told, actor=alice)
    answer = client_for(bob).post(f"{link(share)}copy/")
    copy = ChatSession.objects.get(owner=bob)
    assert answer.headers["Location"] == f"/chat/{copy.pk}/"
    assert texts(copy) == texts(told) and copy.system_prompt == "" and copy.title == "Holidays"
    assert copy.model == told.model
    ask(copy, "Go on")
    assert len(texts(copy)) == 4 and len(texts(told)) == 2
    services.delete_session(session=told, actor=alice)
    ChatSession.objects.filter(pk=told.pk).delete()
    file = Message.objects.get(session=copy, position=0).attachments.get()
    assert file.owner == bob and file.content.read_bytes() == b"A list of huts"
    chats = ChatSession.objects.for_user(bob)
    assert find(chats, owner=bob, text="where go").items[0].chat == copy


def test_only_what_is_settled_is_shared(session: ChatSession, alice: User) -> None:
    with pytest.raises(ValidationError, match="nothing to share"):
        sharing.share(session=session, actor=alice)
    services.ask(session=session, actor=alice, content="/long 900")
    session.refresh_from_db()
    share = sharing.share(session=session, actor=alice)
    assert [each.role for each in sharing.messages_of(share)] == ["user"]
    services.stop(session=session)
    assert generator.wait(10)


def test_the_audit_log_knows_and_does_not_tell(told: ChatSession, alice: User, bob: User) -> None:
    share = sharing.share(session=told, actor=alice)
    sharing.share(session=told, actor=alice)
    sharing.copy(row=share, reader=bob)
    sharing.revoke(row=share, actor=alice)
    sharing.revoke(row=share, actor=alice)
    events = AuditEvent.objects.filter(action__contains="share").order_by("pk")
    assert [(each.action, each.actor_label) for each in events] == [
        ("chat.share", "alice@example.com"),
        ("chat.share_update", "alice@example.com"),
        ("chat.share_copy", "bob@example.com"),
        ("chat.unshare", "alice@example.com"),
    ]
    assert "Holidays" not in str([(e.target_label, e.before, e.after) for e in events])


def test_the_owners_pages(told: ChatSession, alice: User, bob: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    assert "You share nothing" in client.get("/chat/shares/").text
    page = f"/chat/{told.pk}/share/"
    assert "Make a link" in client.get(page).text
    assert client_for(bob).get(page).status_code == client_for(bob).post(page).status_code == 404
    assert client.post(page, {"audience": "all", "has_thoughts": "on"}).status_code == 302
    share = ChatShare.objects.get()
    assert (share.has_thoughts, share.has_system_prompt) == (True, False)
    assert f"http://testserver{link(share)}" in client.get(page).text
    assert "More has been said" not in client.get(page).text
    ask(told, "More")
    assert "More has been said" in client.get(page).text
    assert "Holidays" in client.get("/chat/shares/").text
    assert "Holidays" not in client_for(bob).get("/chat/shares/").text
    empty = services.create_session(owner=alice, model=told.model)
    assert client.post(f"/chat/{empty.pk}/share/").status_code == 422


def test_through_the_api(
    told: ChatSession, alice: User, bob: User, api: Callable[[User], ApiClient]
) -> None:
    mine, theirs = api(alice), api(bob)
    assert theirs.post("chat/shares", session_id=str(told.pk)).status_code == 404
    share = mine.post("chat/shares", session_id=str(told.pk), has_thoughts=False).json()
    assert mine.get("chat/shares").json()["count"] == 1
    assert theirs.get("chat/shares").json()["count"] == 0
    shown = theirs.get(f"chat/shared/{share['id']}").json()
    assert shown["title"] == "Holidays" and shown["system_prompt"] == ""
    assert [each["role"] for each in shown["messages"]] == ["user", "assistant"]
    assert shown["messages"][1]["thinking_content"] == "" and "cost" not in shown["messages"][1]
    (file,) = shown["messages"][0]["attachments"]
    content = theirs.get(f"chat/shared/{share['id']}/files/{file['id']}")
    assert content.content == b"A list of huts"
    copied = theirs.post(f"chat/shared/{share['id']}/copy")
    assert copied.status_code == 201 and copied.json()["title"] == "Holidays"
    assert theirs.delete(f"chat/shares/{share['id']}").status_code == 404
    assert mine.delete(f"chat/shares/{share['id']}").status_code == 204
    assert theirs.get(f"chat/shared/{share['id']}").status_code == 404


def test_only_named_people_read(
    told: ChatSession,
    alice: User,
    bob: User,
    admin_user: User,
    client_for: ClientFor,
    api: Callable[[User], ApiClient],
) -> None:
    path, owner = f"/chat/{told.pk}/share/", client_for(alice)
    wanted = {"audience": "named", "readers": " BOB@example.com，", "has_thoughts": "on"}
    for wrong, why in (
        ({"readers": ""}, "Name somebody"),
        ({"readers": "bob@example.com; nobody@example.com"}, "Nobody here signs in with nobody@"),
        ({"audience": "all"}, "Remove the people"),
    ):
        answer = owner.post(path, wanted | wrong)
        assert answer.status_code == 422 and why in answer.text
    assert not ChatShare.objects.exists()
    owner.post(path, wanted)
    share = ChatShare.objects.get()
    (file,) = sharing.messages_of(share)[0].attachments.all()
    api_path = f"chat/shared/{share.pk}"
    for address in (link(share), f"{link(share)}files/{file.pk}/"):
        assert client_for(bob).get(address).status_code == 200
        assert client_for(alice).get(address).status_code == 200
        assert client_for(admin_user).get(address).status_code == 404
    assert client_for(admin_user).post(f"{link(share)}copy/").status_code == 404
    assert api(admin_user).get(api_path).status_code == 404
    assert api(admin_user).post(f"{api_path}/copy").status_code == 404
    assert api(bob).get(api_path).status_code == 200
    # They are told once, and find it again.
    assert link(share) in client_for(bob).get("/chat/shares/").text
    assert link(share) not in client_for(admin_user).get("/chat/shares/").text
    owner.post(path, wanted)
    notice = UserNotice.objects.get()
    assert (notice.user, notice.path, notice.title.split()[0]) == (bob, link(share), alice.email)
    # Without a word about the readers they stay; whoever is gone opens it for nobody.
    told_of = api(alice).post("chat/shares", session_id=str(told.pk)).json()
    assert (told_of["is_for_all"], told_of["readers"]) == (False, [bob.email])
    bob.delete()
    assert client_for(admin_user).get(link(share)).status_code == 404
    opened = api(alice).post("chat/shares", session_id=str(told.pk), readers=[]).json()
    assert opened["is_for_all"] and client_for(admin_user).get(link(share)).status_code == 200


def test_a_page_for_paper(told: ChatSession, alice: User, bob: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    page = client.get(f"/chat/{told.pk}/print/").text
    assert "Where to go?" in page and "I repeat it" in page and "Secret instructions" in page
    assert "sidebar" not in page and 'data-theme="light"' in page
    assert "I repeat it" not in client.get(f"/chat/{told.pk}/print/?thoughts=no").text
    assert client_for(bob).get(f"/chat/{told.pk}/print/").status_code == 404
    menu = client.get(f"/chat/{told.pk}/actions/").text
    assert f"/chat/{told.pk}/print/" in menu and f"/chat/{told.pk}/share/" in menu
    assert AuditEvent.objects.filter(action="chat.export", after__format="print").exists()


def test_pictures_on_paper_are_whole(
    session: ChatSession, alice: User, client_for: ClientFor
) -> None:
    image = keep(alice, picture())
    session.model.types = ["chat", "vision"]  # type: ignore[union-attr]
    session.model.save()  # type: ignore[union-attr]
    ask(session, "Look", attachments=[image.pk])
    page = client_for(alice).get(f"/chat/{session.pk}/print/").text
    assert f'src="/chat/attachments/{image.pk}/"' in page


@pytest.mark.browser
def test_sharing_as_two_people_do_it(
    told: ChatSession, alice: User, bob: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.goto(f"/chat/{told.pk}/")
    page.locator(".conversation-head").get_by_label("Actions", exact=True).click()
    page.get_by_role("link", name="Share").click()
    page.get_by_role("button", name="Make a link").click()
    address = page.locator("[data-copy-source]").inner_text()
    sign_in(bob)
    page.goto(address)
    page.get_by_role("heading", name="Holidays").wait_for()
    page.get_by_role("button", name="Continue in my chats").click()
    page.wait_for_url(lambda url: "/chat/shared/" not in url)
    page.locator(".message-user", has_text="Where to go?").wait_for()
    page.get_by_label("Message", exact=True).fill("And by train?")
    page.keyboard.press("Enter")
    page.locator(".answer", has_text="And by train?").wait_for()
