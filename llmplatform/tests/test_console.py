"""The console as a whole: every page opens for administrators alone, under its own policy."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from knowledge.services import add_document, create_base
from llmplatform.audited_admin import shown
from llmplatform.console_look import navigation
from llmplatform.tests.console_cast import make_call, make_job, make_model, make_node
from training.models import Deployment, ModelVersion

MODELS = sorted(model._meta.label_lower.replace(".", "_") for model in admin.site._registry)


@pytest.fixture
def console(admin_user: User, client_for: Callable[[User], Client]) -> Client:
    return client_for(admin_user)


@pytest.mark.parametrize("name", MODELS)
def test_lists_and_forms_open(
    console: Client, alice: User, client_for: Callable[[User], Client], name: str
) -> None:
    url = reverse(f"admin:{name}_changelist")
    response = console.get(url, follow=True)
    assert response.status_code == 200
    assert console.get(f"{url}?q=x&o=1", follow=True).status_code == 200
    add = console.get(reverse(f"admin:{name}_add"))
    assert add.status_code in (200, 403)
    stranger = client_for(alice)
    for path in (url, reverse(f"admin:{name}_add")):
        assert stranger.get(path).status_code in (302, 403)
        assert stranger.get(path, follow=True).status_code == 403


def test_the_index_and_its_live_part_are_for_administrators(
    console: Client, alice: User, client_for: Callable[[User], Client], client: Client
) -> None:
    for name in ("admin:index", "admin:overview"):
        assert console.get(reverse(name)).status_code == 200
        assert client_for(alice).get(reverse(name), follow=True).status_code == 403
        assert client.get(reverse(name)).status_code == 302


def test_only_the_console_may_evaluate(console: Client) -> None:
    policy = console.get("/admin/").headers["Content-Security-Policy"]
    assert "script-src 'self' 'unsafe-eval'" in policy
    assert "style-src 'self' 'unsafe-inline'" in policy
    for path in ("/", "/accounts/profile/", "/admin", "/administration/"):
        policy = console.get(path).headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path


def test_the_sign_in_of_the_console_leads_administrators_in(console: Client) -> None:
    assert console.get("/admin/login/").headers["Location"] == reverse("admin:index")


def test_an_objects_page_says_its_state_in_words(
    console: Client, admin_user: User, alice: User
) -> None:
    """Where a list has a coloured label, made of a code and its words."""
    admin_user.language = "zh-hans"
    admin_user.save()
    console.cookies["django_language"] = "zh-hans"
    model = make_model()
    model.provider.tested_at, model.provider.test_latency_ms = timezone.now(), 7
    model.provider.save()
    base = create_base(owner=alice, name="handbook")
    document = add_document(base=base, file=BytesIO(b"x"), name="a.txt", actor=alice)
    version = ModelVersion.objects.create(owner=alice, job=make_job(alice), name="maple")
    deployment = Deployment.objects.create(owner=alice, name="maple", version=version)
    rows = {
        "accounts_user": (alice, "用户"),
        "knowledge_document": (document, "等待中"),
        "knowledge_base": (base, "索引"),
        "providers_callrecord": (make_call(model, user=alice), "已完成"),
        "providers_provider": (model.provider, "7 毫秒"),
        "training_deployment": (deployment, "待运行"),
        "training_modelversion": (version, "标签"),
    }
    for name, (row, words) in rows.items():
        page = console.get(reverse(f"admin:{name}_change", args=[row.pk])).text
        assert str(words) in page, name
        assert "(&#x27;" not in page and ">Labels<" not in page, name


def test_signing_out_and_passwords_are_the_platforms(console: Client) -> None:
    assert console.post(reverse("admin:logout")).headers["Location"] == "/"
    assert console.get(reverse("admin:password_change")).headers["Location"] == reverse(
        "accounts:profile"
    )
    assert console.get("/admin/").status_code == 200
    page = console.get("/admin/").text
    assert reverse("accounts:logout") in page and reverse("set-theme") in page


def test_the_console_follows_theme_and_language(console: Client, admin_user: User) -> None:
    admin_user.theme, admin_user.language = "dark", "zh-hans"
    admin_user.save()
    console.cookies["django_language"] = "zh-hans"
    page = console.get("/admin/").text
    assert 'class="dark"' in page and 'lang="zh-hans"' in page and "概览" in page


def test_the_side_bar_leads_to_pages_that_open(console: Client, rf: Any) -> None:
    for group in navigation(rf.get("/admin/")):
        for item in group["items"]:
            assert console.get(str(item["link"]), follow=True).status_code == 200


def test_unknown_addresses_do_not_open(console: Client) -> None:
    assert console.get("/admin/accounts/user/999/change/").status_code == 302
    assert console.get("/admin/nothing/").status_code == 404


def test_search_finds_rows(console: Client, alice: User) -> None:
    job = make_job(alice, "needle")
    make_job(alice, "hay")
    page = console.get(reverse("admin:training_trainingjob_changelist"), {"q": "needle"})
    assert list(page.context["cl"].queryset) == [job]
    assert page.context["cl"].queryset.count() == 1


def test_an_empty_list_speaks_of_filters_only_where_one_is_set(console: Client) -> None:
    url = reverse("admin:training_gpuquota_changelist")
    assert "Nothing here yet" in console.get(url).text and "filters." not in console.get(url).text
    assert "reset the filters" in console.get(f"{url}?q=nobody").text


def test_filters_work_together(console: Client, alice: User) -> None:
    make_node()
    call = make_call(make_model(alice), user=alice)
    make_call(None, status="failed")
    url = reverse("admin:providers_callrecord_changelist")
    query: dict[str, Any] = {
        "user__id__exact": alice.pk,
        "status": "done",
        "at_from_0": "2020-01-01",
    }
    assert list(console.get(url, query).context["cl"].queryset) == [call]


def test_what_is_secret_reaches_the_log_as_a_change_only() -> None:
    assert shown({"password": "x", "api_key": "y", "name": "z", "owner": None}) == {
        "password": "changed",
        "api_key": "changed",
        "name": "z",
        "owner": None,
    }


def test_every_change_names_who_and_from_where(console: Client, admin_user: User) -> None:
    body = {"registration": "closed"}
    console.post(reverse("admin:accounts_platformsettings_change", args=[1]), body)
    console.get(reverse("admin:accounts_platformsettings_changelist"))
    console.post(reverse("admin:accounts_platformsettings_change", args=[1]), body)
    row = AuditEvent.objects.get()
    assert (row.actor, row.address) == (admin_user, "127.0.0.1")
    assert row.request_id


def test_no_automatic_english_name_is_shown(console: Client, alice: User) -> None:
    """A field without a name of its own would be English in every language."""
    names = set()
    for its_admin in admin.site._registry.values():
        for name in {*its_admin.list_display, *its_admin.get_fields(_request(alice))}:
            for part in [name] if isinstance(name, str) else name:
                names.add((its_admin.model._meta, part))
    unnamed = [
        f"{meta.label}.{name}"
        for meta, name in names
        for field in meta.local_fields
        if field.name == name and isinstance(field.verbose_name, str) and name not in PLAIN
    ]
    assert unnamed == []


PLAIN = {"top_p"}


def _request(user: User) -> Any:
    return type("Request", (), {"user": user})()
