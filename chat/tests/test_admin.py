"""Console: chats, without their words."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, User
from chat.models import Batch, BatchStatus, ChatSession, Message, MessageRole
from chat.tests.batch_rows import make_batch
from providers.models import ProviderModel

SECRET = "the plan nobody may read"


@pytest.fixture
def chat(alice: User) -> ChatSession:
    session = ChatSession.objects.create(owner=alice, title=SECRET)
    Message.objects.create(session=session, position=1, role=MessageRole.USER, content=SECRET)
    return session


@pytest.fixture
def console(admin_user: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(admin_user)


def test_words_are_nowhere(console: Client, chat: ChatSession) -> None:
    message = chat.messages.get()
    for url in (
        reverse("admin:chat_chatsession_changelist"),
        reverse("admin:chat_chatsession_change", args=[chat.pk]),
        reverse("admin:chat_chatsession_delete", args=[chat.pk]),
        reverse("admin:chat_message_changelist"),
        reverse("admin:chat_message_change", args=[message.pk]),
    ):
        page = console.get(url)
        assert page.status_code == 200
        assert str(chat.pk) in page.text or str(message.pk) in page.text
        assert SECRET not in page.text, url


def test_a_chat_can_be_deleted_but_not_written(console: Client, chat: ChatSession) -> None:
    change = reverse("admin:chat_chatsession_change", args=[chat.pk])
    assert console.post(change, {"title": "x"}).status_code == 403
    url = reverse("admin:chat_chatsession_delete", args=[chat.pk])
    assert console.post(url, {"post": "yes"}).status_code == 302
    assert not ChatSession.objects.exists() and not Message.objects.exists()
    row = AuditEvent.objects.get(action="chat.delete")
    assert row.target_label == str(chat.pk)


def test_many_are_deleted_without_quoting_them(console: Client, chat: ChatSession) -> None:
    url = reverse("admin:chat_chatsession_changelist")
    body = {"action": "delete_selected", "_selected_action": [str(chat.pk)]}
    assert SECRET not in console.post(url, body).text
    console.post(url, body | {"post": "yes"})
    assert not ChatSession.objects.exists()
    assert SECRET not in AuditEvent.objects.get(action="chat.delete").target_label


def test_a_missing_chat_is_told_as_missing(console: Client, db: None) -> None:
    missing = reverse(
        "admin:chat_chatsession_change", args=["6f1a3c1e-3f0a-4a54-9a55-0d6c9e9a3a10"]
    )
    assert console.get(missing).headers["Location"] == reverse("admin:index")


def test_a_batch_comparison_can_be_stopped_but_not_read(
    console: Client, echo: ProviderModel, alice: User
) -> None:
    batch, done = (make_batch(alice, [echo], SECRET, name=SECRET) for _each in range(2))
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.RUNNING)
    url = reverse("admin:chat_batch_changelist")
    for page in (url, reverse("admin:chat_batch_change", args=[batch.pk])):
        shown = console.get(page).text
        assert str(batch.pk)[:8] in shown and SECRET not in shown
    chosen = {"action": "cancel", "_selected_action": [str(batch.pk), str(done.pk)]}
    said = console.post(url, chosen, follow=True).text
    assert "1 batch comparison is stopped." in said and SECRET not in said
    batch.refresh_from_db()
    done.refresh_from_db()
    assert (batch.status, done.status) == (BatchStatus.CANCELLED, BatchStatus.DRAFT)
    row = AuditEvent.objects.get(action="batch.cancel")
    assert row.target_label == str(batch.pk)
