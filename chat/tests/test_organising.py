"""Folders, the archive and deleted chats: verbs, pages and API."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from chat import folders, services, tasks
from chat.following import Follower, SessionGone
from chat.generation import generator
from chat.models import ChatFolder, ChatSession, ChatSettings, Message
from llmplatform.palette import found

ClientFor = Callable[[User], Client]
Api = Callable[[User], Any]


@pytest.fixture
def chat(alice: User) -> ChatSession:
    return services.create_session(owner=alice, model=None, title="Oil prices")


@pytest.fixture
def folder(alice: User) -> ChatFolder:
    return folders.create_folder(owner=alice, name="Markets")


def listed(client: Client, query: str = "") -> list[str]:
    page = client.get(f"/chat/{query}").context["page"]
    return [str(row) for row in page] if "q=" not in query else [str(hit.chat) for hit in page.hits]


def move(client: Client, chat: ChatSession, **data: str) -> Any:
    return client.post(f"/chat/{chat.pk}/folder/", data)


def test_a_chat_is_in_one_folder_and_listed_there(
    chat: ChatSession, folder: ChatFolder, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    assert listed(client) == ["Oil prices"]
    assert move(client, chat, folder=str(folder.pk)).status_code == 302
    assert listed(client) == [] and listed(client, f"?folder={folder.pk}") == ["Oil prices"]
    assert listed(client, "?q=oil") == ["Oil prices"]
    assert "Oil prices" in client.get(f"/chat/folders/{folder.pk}/chats/").text
    page = client.get(f"/chat/{chat.pk}/").text
    assert f'data-folder="{folder.pk}" open' in page and 'aria-current="page"' in page
    move(client, chat, folder="")
    assert listed(client) == ["Oil prices"]


def test_moving_makes_a_folder_on_the_way(
    chat: ChatSession, alice: User, client_for: ClientFor
) -> None:
    move(client_for(alice), chat, name="  New ideas ")
    chat.refresh_from_db()
    assert chat.folder is not None and chat.folder.name == "New ideas"
    event = AuditEvent.objects.get(action="chat.update")
    assert event.after == {"folder": "changed"}
    made = AuditEvent.objects.get(action="chat_folder.create")
    assert "New ideas" not in f"{made.target_label}{made.after}"


def test_a_folder_is_renamed_and_deleted_without_its_chats(
    chat: ChatSession, folder: ChatFolder, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    move(client, chat, folder=str(folder.pk))
    client.post(f"/chat/folders/{folder.pk}/", {"name": "Trade"})
    folder.refresh_from_db()
    assert folder.name == "Trade"
    client.post(f"/chat/folders/{folder.pk}/delete/")
    assert not ChatFolder.objects.exists() and listed(client) == ["Oil prices"]


def test_names_of_folders_are_taken_once(
    folder: ChatFolder, alice: User, bob: User, client_for: ClientFor
) -> None:
    with pytest.raises(ValidationError):
        folders.create_folder(owner=alice, name="markets")
    folders.rename_folder(folder=folder, actor=alice, name="MARKETS")
    assert folders.create_folder(owner=bob, name="Markets").pk != folder.pk
    page = client_for(alice).post("/chat/folders/", {"name": "Markets"}, follow=True).text
    assert "You have a folder with this name already." in page
    page = client_for(alice).post("/chat/folders/", {"name": " "}, follow=True).text
    assert "This field is required." in page


def test_a_new_chat_starts_in_the_folder_that_is_shown(
    echo: Any, folder: ChatFolder, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    url = f"/chat/?folder={folder.pk}"
    assert f'action="{url}"' in client.get(url).text
    client.post(url, {"model": str(echo.pk), "content": "Hello"})
    assert generator.wait(10)
    assert ChatSession.objects.get().folder == folder


def test_nobody_uses_the_folder_of_another(
    chat: ChatSession, folder: ChatFolder, bob: User, alice: User, client_for: ClientFor, api: Api
) -> None:
    bobs = services.create_session(owner=bob, model=None, title="Mine")
    client = client_for(bob)
    assert move(client, bobs, folder=str(folder.pk)).status_code == 404
    assert client.get(f"/chat/?folder={folder.pk}").status_code == 404
    answer = api(bob).patch(f"chat/sessions/{bobs.pk}", folder_id=folder.pk)
    assert answer.status_code == 422 and answer.json()["error"]["fields"]["folder_id"]
    assert api(bob).get(f"chat/sessions?folder_id={folder.pk}").status_code == 422


def test_the_archive_is_beside_the_list_and_searched(
    chat: ChatSession, alice: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    page = client.post(f"/chat/{chat.pk}/archive/", follow=True).text
    assert f'action="/chat/{chat.pk}/unarchive/"' in page and "Undo" in page
    assert listed(client) == [] and listed(client, "?q=oil") == []
    assert listed(client, "?view=archived&q=oil") == ["Oil prices"]
    assert listed(client, "?view=archived&q=tea") == []
    assert "In the archive" in client.get(f"/chat/{chat.pk}/").text
    client.post(f"/chat/{chat.pk}/unarchive/")
    assert listed(client) == ["Oil prices"]


def test_asking_takes_a_chat_out_of_the_archive(session: ChatSession, alice: User) -> None:
    services.change_session(session=session, actor=alice, is_archived=True)
    services.ask(session=session, actor=alice, content="And now?")
    assert generator.wait(10)
    session.refresh_from_db()
    assert not session.is_archived


def test_after_an_action_one_is_where_one_was(
    chat: ChatSession, alice: User, client_for: ClientFor
) -> None:
    client, other = client_for(alice), services.create_session(owner=alice, model=None)
    here = f"http://testserver/chat/{other.pk}/?view=archived"
    for action in ("pin", "archive", "unarchive", "delete"):
        response = client.post(f"/chat/{chat.pk}/{action}/", headers={"Referer": here})
        assert response.headers["Location"] == here
    foreign = {"Referer": "https://elsewhere.example/chat/"}
    response = client.post(f"/chat/{other.pk}/pin/", headers=foreign)
    assert response.headers["Location"] == f"/chat/{other.pk}/"
    left = {"Referer": f"http://testserver/chat/{other.pk}/?q=x"}
    response = client.post(f"/chat/{other.pk}/delete/", headers=left)
    assert response.headers["Location"] == "/chat/"


def test_deleting_hides_a_chat_everywhere_and_ends_its_answer(
    session: ChatSession, alice: User, client_for: ClientFor, api: Api
) -> None:
    services.ask(session=session, actor=alice, content="/long 500")
    client = client_for(alice)
    page = client.post(f"/chat/{session.pk}/delete/", follow=True).text
    assert f'action="/chat/deleted/{session.pk}/restore/"' in page
    assert generator.wait(5)
    assert Message.objects.get(role="assistant").status == "stopped"
    assert client.get(f"/chat/{session.pk}/").status_code == 404
    assert client.get(f"/chat/{session.pk}/export/").status_code == 404
    assert api(alice).get(f"chat/sessions/{session.pk}").status_code == 404
    assert api(alice).get("chat/sessions?q=long").json()["count"] == 0
    assert listed(client, "?q=long") == [] and listed(client, "?view=archived") == []
    assert [item.group for item in found(alice, "/long")] == []
    with pytest.raises(SessionGone):
        Follower(session.pk).read()
    with pytest.raises(ValidationError):
        services.ask(session=session, actor=alice, content="still there?")
    assert AuditEvent.objects.filter(action="chat.delete", actor=alice).exists()


def test_undo_brings_it_back_as_it_was(
    chat: ChatSession, folder: ChatFolder, alice: User, client_for: ClientFor
) -> None:
    services.change_session(session=chat, actor=alice, folder=folder, is_pinned=True)
    client = client_for(alice)
    client.post(f"/chat/{chat.pk}/delete/")
    response = client.post(f"/chat/deleted/{chat.pk}/restore/")
    assert response.headers["Location"] == f"/chat/{chat.pk}/"
    chat.refresh_from_db()
    assert (chat.deleted_at, chat.folder, chat.is_pinned) == (None, folder, True)
    assert client.post(f"/chat/deleted/{chat.pk}/restore/").status_code == 404
    assert AuditEvent.objects.filter(action="chat.restore").count() == 1


def test_recently_deleted_chats_are_restored_or_deleted_for_good(
    chat: ChatSession, alice: User, bob: User, client_for: ClientFor
) -> None:
    client = client_for(alice)
    assert "Nothing to restore" in client.get("/chat/deleted/").text
    others = [services.create_session(owner=alice, model=None, title=f"n {n}") for n in range(3)]
    bobs = services.create_session(owner=bob, model=None, title="Bob's")
    for each in (chat, *others):
        services.delete_session(session=each, actor=alice)
    services.delete_session(session=bobs, actor=bob)
    page = client.get("/chat/deleted/")
    assert [str(row) for row in page.context["page"]] == ["n 2", "n 1", "n 0", "Oil prices"]
    back = client.post(f"/chat/deleted/{chat.pk}/restore/", {"stay": "yes"})
    assert back.headers["Location"] == "/chat/deleted/"
    client.post(f"/chat/deleted/{others[0].pk}/purge/")
    assert not ChatSession.objects.filter(pk=others[0].pk).exists()
    assert client_for(bob).post(f"/chat/deleted/{others[1].pk}/purge/").status_code == 404
    emptied = client.post("/chat/deleted/empty/", follow=True).text
    assert "2 chats are deleted for good." in emptied
    assert set(ChatSession.objects.values_list("title", flat=True)) == {"Oil prices", "Bob's"}
    assert AuditEvent.objects.filter(action="chat.purge").count() == 3


def test_after_their_time_deleted_chats_are_gone(session: ChatSession, alice: User) -> None:
    services.ask(session=session, actor=alice, content="Hello")
    assert generator.wait(10)
    kept = services.create_session(owner=alice, model=None, title="kept")
    for each in (session, kept):
        services.delete_session(session=each, actor=alice)
    ChatSettings.objects.create(kept_days=7)
    long_ago = timezone.now() - timedelta(days=7, minutes=1)
    ChatSession.objects.filter(pk=session.pk).update(deleted_at=long_ago)
    tasks.forget()
    assert [row.title for row in ChatSession.objects.all()] == ["kept"]
    assert not Message.objects.exists()


def test_the_api_does_all_of_it(chat: ChatSession, alice: User, api: Api) -> None:
    client = api(alice)
    folder = client.post("chat/folders", name="Work").json()
    assert client.post("chat/folders", name="work").status_code == 422
    assert client.patch(f"chat/folders/{folder['id']}", name="Office").json()["name"] == "Office"
    path = f"chat/sessions/{chat.pk}"
    moved = client.patch(path, folder_id=folder["id"], is_archived=True).json()
    assert (moved["folder_id"], moved["is_archived"]) == (folder["id"], True)
    assert client.get("chat/sessions").json()["count"] == 0
    query = f"chat/sessions?archived=true&folder_id={folder['id']}"
    assert client.get(query).json()["items"][0]["id"] == str(chat.pk)
    assert client.patch(path, is_archived=False).json()["folder_id"] == folder["id"]
    assert client.patch(path, folder_id=None).json()["folder_id"] is None
    assert client.delete(path).status_code == 204
    (row,) = client.get("chat/deleted").json()["items"]
    assert row["title"] == "Oil prices"
    assert client.post(f"chat/deleted/{chat.pk}/restore").json()["id"] == str(chat.pk)
    client.delete(path)
    assert client.delete(f"chat/deleted/{chat.pk}").status_code == 204
    assert client.delete(f"chat/deleted/{chat.pk}").status_code == 404
    assert client.delete(f"chat/folders/{folder['id']}").status_code == 204
    assert client.get("chat/folders").json() == {"items": [], "count": 0}


def test_the_console_says_what_is_deleted_and_for_how_long_it_is_kept(
    chat: ChatSession, alice: User, admin_user: User, client_for: ClientFor
) -> None:
    services.delete_session(session=chat, actor=alice)
    client = client_for(admin_user)
    changelist = reverse("admin:chat_chatsession_changelist")
    assert str(chat.pk)[:8] in client.get(f"{changelist}?deleted_at__isempty=0").text
    assert str(chat.pk)[:8] not in client.get(f"{changelist}?deleted_at__isempty=1").text
    form = client.get(reverse("admin:chat_chatsettings_changelist")).headers["Location"]
    data = {"title_writer": "nobody", "title_model": "", "kept_days": "0"}
    assert client.post(form, data).status_code == 200
    assert client.post(form, data | {"kept_days": "90"}).status_code == 302
    assert ChatSettings.current().kept_days == 90
    assert client.post(form, data | {"title_writer": "chosen"}).status_code == 200
    assert AuditEvent.objects.filter(action="chat_settings.update").count() == 1
