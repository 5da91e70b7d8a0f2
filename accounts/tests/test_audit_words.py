"""Every action that the platform records has words for people."""

import re

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils.translation import override

from accounts import services
from accounts.audit_words import NOUNS, VERBS, action_words, kind_words
from accounts.models import User
from tests.sources import LEFT_OUT, PACKAGES, ROOT

RECORDED = re.compile(r'action\s*=\s*"([a-z_]+\.[a-z_]+)"')


def _recorded() -> set[str]:
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    texts = [file.read_text() for file in files if not LEFT_OUT & set(file.parts)]
    return {action for text in texts for action in RECORDED.findall(text)}


def test_every_action_has_words() -> None:
    recorded = _recorded()
    assert len(recorded) > 100
    assert [action for action in sorted(recorded) if action_words(action) == action] == []


def test_every_page_of_the_console_has_a_noun_and_verbs() -> None:
    nouns = {getattr(page, "audit_noun", "") for page in admin.site._registry.values()} - {""}
    assert nouns - set(NOUNS) == set() and {"create", "update", "delete"} <= set(VERBS)


def test_they_are_in_the_readers_language() -> None:
    assert action_words("dataset.delete") == "Dataset: deleted"
    with override("zh-hans"):
        assert action_words("dataset.delete") == "数据集：删除"
        assert kind_words("accounts.user") == "用户"
    assert action_words("of.another_version") == "of.another_version"
    assert kind_words("of.another") == "of.another" and kind_words("") == ""


@pytest.mark.django_db
def test_the_console_shows_them(admin_user: User, client: Client) -> None:
    event = services.audit(actor=admin_user, action="user.password_reset", target=admin_user)
    services.audit(actor=admin_user, action="audit.export")
    client.force_login(admin_user)
    log = reverse("admin:accounts_auditevent_changelist")
    page = client.get(log).text
    assert "User: password reset" in page and "Audit log: exported" in page
    assert "user.password_reset</" not in page
    # The filter knows the code and says the words.
    found = client.get(log, {"action": "user.password_reset"}).text
    assert f"/{event.pk}/change/" in found and ">User: password reset" in found
    change = client.get(reverse("admin:accounts_auditevent_change", args=[event.pk])).text
    assert "User: password reset" in change
    assert "User: password reset" in client.get("/admin/").text
