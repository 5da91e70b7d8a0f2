"""Console: people, keys, sessions, settings and the audit log."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from accounts import administration
from accounts.models import (
    ApiKey,
    AuditEvent,
    AuthSession,
    PlatformSettings,
    Role,
    User,
    UserLimits,
)
from accounts.services import audit
from accounts.tokens import open_session

PASSWORD = "correct horse battery staple"
USERS = "admin:accounts_user_changelist"


@pytest.fixture
def console(admin_user: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(admin_user)


def do(client: Client, name: str, action: str, *rows: Any) -> Any:
    """Run a list's action on `rows`; the page that follows."""
    body = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(name), body, follow=True)


def event(action: str) -> AuditEvent:
    return AuditEvent.objects.get(action=action)


LIMITS_FORM = {"limits-TOTAL_FORMS": "1", "limits-INITIAL_FORMS": "0"}


def change(client: Client, user: User, **fields: Any) -> Any:
    body = {"email": user.email, "role": user.role, "is_active": "on", "theme": user.theme}
    body |= LIMITS_FORM
    body |= {"language": user.language, **fields}
    body = {name: value for name, value in body.items() if value is not None}
    return client.post(reverse("admin:accounts_user_change", args=[user.pk]), body)


def test_it_creates_a_user_who_can_sign_in(console: Client, admin_user: User) -> None:
    url = reverse("admin:accounts_user_add")
    body = {"email": "Carol@Example.com", "role": "user", "password": PASSWORD}
    assert console.post(url, body).status_code == 302
    carol = User.objects.get(email="carol@example.com")
    assert carol.password.startswith("bcrypt") and carol.check_password(PASSWORD)
    row = event("user.create")
    assert (row.actor, row.target_id) == (admin_user, str(carol.pk))
    assert PASSWORD not in str(row.after)


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"password": "short"}, "password"),
        ({"email": "ADMIN@example.com"}, "email"),
        ({"role": "owner"}, "role"),
    ],
)
def test_it_refuses_a_bad_new_user(console: Client, fields: dict[str, str], name: str) -> None:
    body = {"email": "carol@example.com", "role": "user", "password": PASSWORD, **fields}
    response = console.post(reverse("admin:accounts_user_add"), body)
    assert response.status_code == 200
    assert name in response.context["adminform"].form.errors
    assert User.objects.count() == 1


def test_a_taken_address_is_refused_by_the_service_too(admin_user: User) -> None:
    with pytest.raises(Exception, match="cannot be registered"):
        administration.create_user(email=admin_user.email, password=PASSWORD, actor=admin_user)
    with pytest.raises(Exception, match="at least 12"):
        administration.create_user(email="x@example.com", password="short", actor=admin_user)


def test_it_limits_a_user_and_records_it(console: Client, alice: User) -> None:
    limits = {"limits-0-rpm": "60", "limits-0-budget_day_usd": "2.5", "limits-0-user": alice.pk}
    assert change(console, alice, **limits).status_code == 302
    row = UserLimits.objects.get(user=alice)
    assert (row.rpm, row.tpm, row.budget_day_usd) == (60, None, Decimal("2.5"))
    seen = event("user.limits")
    assert seen.target_id == str(alice.pk)
    assert seen.after == {"rpm": 60, "budget_day_usd": "2.5"}
    page = console.get(reverse("admin:accounts_user_change", args=[alice.pk])).content.decode()
    assert 'name="limits-0-max_parallel"' in page
    limits |= {"limits-INITIAL_FORMS": "1", "limits-0-id": str(row.pk), "limits-0-rpm": "0"}
    assert change(console, alice, **limits).status_code == 200, "zero requests are no limit"
    assert change(console, alice, **limits | {"limits-0-rpm": ""}).status_code == 302
    row.refresh_from_db()
    assert row.rpm is None and row.budget_day_usd == Decimal("2.5")


def test_it_changes_role_and_records_it(console: Client, alice: User) -> None:
    assert change(console, alice, role="admin").status_code == 302
    alice.refresh_from_db()
    assert alice.role == Role.ADMIN
    row = event("user.role")
    assert (row.before, row.after) == ({"role": "user"}, {"role": "admin"})
    assert not AuditEvent.objects.filter(action="user.update").exists()


def test_other_fields_are_recorded_with_what_they_were(console: Client, alice: User) -> None:
    assert change(console, alice, email="alicia@example.com", theme="dark").status_code == 302
    row = event("user.update")
    assert row.before == {"email": "alice@example.com", "theme": "system"}
    assert row.after == {"email": "alicia@example.com", "theme": "dark"}


def test_saving_without_a_change_records_nothing(console: Client, alice: User) -> None:
    change(console, alice)
    assert not AuditEvent.objects.exists()


def test_deactivation_ends_sessions_and_is_recorded(
    console: Client, alice: User, client_for: Callable[[User], Client]
) -> None:
    hers = client_for(alice)
    session = open_session(user=alice, request=None)
    assert change(console, alice, is_active=None).status_code == 302
    alice.refresh_from_db()
    assert not alice.is_active
    assert hers.get("/accounts/profile/").status_code == 302
    assert AuthSession.objects.get(user=session.user).revoked_at is not None
    assert event("user.deactivate").target_id == str(alice.pk)
    assert change(console, alice).status_code == 302
    assert event("user.activate").target_id == str(alice.pk)


@pytest.mark.parametrize("fields", [{"role": "user"}, {"is_active": None}])
def test_nobody_takes_the_platform_from_themselves(
    console: Client, admin_user: User, fields: dict[str, Any]
) -> None:
    response = change(console, admin_user, **fields)
    assert response.status_code == 200
    assert list(response.context["adminform"].form.errors) == list(fields)
    admin_user.refresh_from_db()
    assert admin_user.is_admin


def test_the_last_administrator_stays(make_user: Callable[..., User], alice: User) -> None:
    last = make_user("last", role=Role.ADMIN)
    verbs: tuple[Callable[[], None], ...] = (
        lambda: administration.deactivate(user=last, actor=alice),
        lambda: administration.change_role(user=last, role=Role.USER, actor=alice),
    )
    for verb in verbs:
        with pytest.raises(Exception, match="last administrator"):
            verb()
    last.refresh_from_db()
    assert last.is_admin and not AuditEvent.objects.exists()


def test_actions_activate_and_deactivate(console: Client, admin_user: User, alice: User) -> None:
    page = do(console, USERS, "deactivate", alice, admin_user)
    assert "You cannot take this from yourself" in page.text
    assert "1 account is deactivated" in page.text
    assert list(User.objects.filter(is_active=True)) == [admin_user]
    do(console, USERS, "activate", alice)
    assert User.objects.filter(is_active=True).count() == 2
    assert set(AuditEvent.objects.values_list("action", flat=True)) == {
        "user.deactivate",
        "user.activate",
    }


def test_actions_change_roles(console: Client, admin_user: User, alice: User) -> None:
    do(console, USERS, "make_admin", alice)
    assert User.objects.get(pk=alice.pk).is_admin
    do(console, USERS, "make_user", alice, admin_user)
    assert not User.objects.get(pk=alice.pk).is_admin
    assert User.objects.get(pk=admin_user.pk).is_admin
    assert AuditEvent.objects.filter(action="user.role").count() == 2


def test_it_resets_a_password(console: Client, alice: User) -> None:
    url = reverse("admin:accounts_user_reset_password", args=[alice.pk])
    assert 'type="password"' in console.get(url).text
    short = console.post(url, {"_form_submitted": "1", "password": "short"})
    assert "too short" in short.text
    body = {"_form_submitted": "1", "password": "a new and longer phrase"}
    answer = console.post(url, body, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == reverse("admin:accounts_user_change", args=[alice.pk])
    alice.refresh_from_db()
    assert alice.check_password("a new and longer phrase")
    assert "phrase" not in str(event("user.password_reset").__dict__)
    assert console.post(url, body).status_code == 302


def test_users_are_never_deleted_there(console: Client, alice: User) -> None:
    url = reverse("admin:accounts_user_delete", args=[alice.pk])
    assert console.post(url, {"post": "yes"}).status_code == 403


def test_keys_are_shown_without_what_makes_them_work(console: Client, alice: User) -> None:
    key, text = ApiKey.issue(user=alice, name="laptop")
    pages = [
        console.get(reverse("admin:accounts_apikey_changelist")).text,
        console.get(reverse("admin:accounts_apikey_change", args=[key.pk])).text,
    ]
    for page in pages:
        assert key.prefix in page
        assert key.sha256 not in page and text.partition(".")[2] not in page
    page = do(console, "admin:accounts_apikey_changelist", "revoke", key).text
    assert "1 key is revoked" in page
    key.refresh_from_db()
    assert key.revoked_at is not None
    assert event("key.revoke").target_id == str(key.pk)


def test_sessions_are_shown_without_their_tokens_and_end(console: Client, alice: User) -> None:
    open_session(user=alice, request=None)
    session = AuthSession.objects.get(user=alice)
    token = session.refresh_tokens.get()
    page = console.get(reverse("admin:accounts_authsession_change", args=[session.pk])).text
    assert token.sha256[:8] not in page
    do(console, "admin:accounts_authsession_changelist", "revoke", session)
    session.refresh_from_db()
    assert session.revoke_reason == "administrator"
    assert event("session.revoke").target_id == str(alice.pk)


def test_settings_are_one_form(console: Client) -> None:
    target = console.get(reverse("admin:accounts_platformsettings_changelist"))
    assert target.headers["Location"] == reverse("admin:accounts_platformsettings_change", args=[1])
    assert console.post(target.headers["Location"], {"registration": "approval"}).status_code == 302
    assert PlatformSettings.current().registration == "approval"
    row = event("settings.update")
    assert (row.before, row.after) == ({"registration": "open"}, {"registration": "approval"})
    delete = reverse("admin:accounts_platformsettings_delete", args=[1])
    assert console.post(delete, {"post": "yes"}).status_code == 403


@pytest.mark.parametrize("verb", ["add", "change", "delete"])
def test_the_audit_log_cannot_be_written(console: Client, verb: str) -> None:
    row = audit(actor=None, action="test.one")
    args = [] if verb == "add" else [row.pk]
    url = reverse(f"admin:accounts_auditevent_{verb}", args=args)
    assert console.post(url, {"post": "yes", "action": "test.two"}).status_code == 403
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["test.one"]


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.save(),
        lambda row: row.save(update_fields=["action"]),
        lambda row: row.delete(),
        lambda row: AuditEvent.objects.update(action="test.two"),
        lambda row: AuditEvent.objects.filter(pk=row.pk).update(action="test.two"),
        lambda row: AuditEvent.objects.bulk_update([row], ["action"]),
        lambda row: AuditEvent.objects.update_or_create({"action": "test.two"}, pk=row.pk),
        lambda row: AuditEvent.objects.all().delete(),
    ],
)
def test_code_only_adds_to_the_audit_log(db: None, change: Callable[[AuditEvent], Any]) -> None:
    row = audit(actor=None, action="test.one")
    row.action = "test.two"
    with pytest.raises(TypeError, match="append-only"), transaction.atomic():
        change(row)
    assert list(AuditEvent.objects.values_list("action", flat=True)) == ["test.one"]


def test_the_audit_log_outlives_an_account(alice: User) -> None:
    audit(actor=alice, action="test.one")
    alice.delete()
    row = event("test.one")
    assert (row.actor, row.actor_label) == (None, "alice@example.com")


def test_the_audit_log_is_found_by_person_action_and_object(
    console: Client, alice: User, bob: User
) -> None:
    audit(actor=alice, action="provider.update", target=bob)
    audit(actor=bob, action="job.create", target=alice)
    url = reverse("admin:accounts_auditevent_changelist")
    queries: tuple[dict[str, Any], ...] = (
        {"q": "alice@example.com", "action": "provider.update"},
        {"actor__id__exact": alice.pk},
        {"action": "provider.update"},
        {"target_id__exact": bob.pk, "target_type__exact": "accounts.user"},
    )
    for query in queries:
        found = console.get(url, query).context["cl"].queryset
        assert [row.action for row in found] == ["provider.update"], query


def test_an_objects_history_is_its_part_of_the_audit_log(console: Client, alice: User) -> None:
    audit(actor=alice, action="user.role", target=alice)
    audit(actor=alice, action="job.create")
    url = reverse("admin:accounts_user_history", args=[alice.pk])
    page = console.get(url, follow=True)
    assert [row.action for row in page.context["cl"].queryset] == ["user.role"]
    own = reverse("admin:accounts_auditevent_history", args=[1])
    assert console.get(own).status_code == 302


def test_the_export_is_safe_for_spreadsheets_and_recorded(console: Client, alice: User) -> None:
    row = audit(actor=alice, action="test.one", actor_label="", before={"name": "x"})
    risky = audit(actor=None, action="session.refused", actor_label="=cmd()")
    url = reverse("admin:accounts_auditevent_changelist")
    body = {"action": "export", "_selected_action": [row.pk, risky.pk]}
    response: Any = console.post(url, body)
    text = b"".join(response).decode()
    assert text.startswith("\ufeffat,actor_label,action")
    assert "test.one" in text and "'=cmd()" in text and "\n=cmd" not in text
    assert event("audit.export").after == {"events": 2}
