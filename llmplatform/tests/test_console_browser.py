"""The console in Chromium: it works under its policy, in both themes, and on a phone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.urls import reverse
from django.utils import timezone

from accounts.models import AuditEvent, User
from llmplatform.tests.console_cast import (
    make_call,
    make_job,
    make_model,
    make_node,
    make_sample,
    make_slot,
)
from training.models import Node, Status

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WATCH = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sourceFile}`));
"""
SignIn = Callable[[User], Any]


def fill(alice: User) -> None:
    node = make_node()
    for minute in range(0, 60, 5):
        make_sample(node, minutes_ago=minute)
    make_slot(node, workload=make_job(alice, "running-job", status=Status.RUNNING, node=node))
    make_job(alice, "failed-job", status=Status.FAILED, finished_at=timezone.now())
    make_call(make_model(), user=alice, prompt_tokens=3, ttft_ms=80)


@pytest.fixture
def watched(sign_in: SignIn, admin_user: User, alice: User) -> Any:
    """A page of the administrator that remembers what the policy refused and what went wrong."""
    fill(alice)
    page = sign_in(admin_user)
    page.add_init_script(WATCH)
    page.complaints = []
    page.on("console", lambda m: page.complaints.append(m.text) if m.type == "error" else None)
    return page


def refused(page: Any) -> list[str]:
    return [*page.evaluate("window.violations"), *page.complaints]


def test_no_page_of_the_console_breaks_its_policy(watched: Any, admin_user: User) -> None:
    AuditEvent.objects.create(action="test.one", before={"a": 1}, after={"a": 2})
    urls = ["/admin/", f"/admin/accounts/user/{admin_user.pk}/change/"]
    for model, its_admin in admin.site._registry.items():
        name = f"{model._meta.app_label}_{model._meta.model_name}"
        urls.append(reverse(f"admin:{name}_changelist"))
        row = model._default_manager.first()
        if row is not None:
            urls.append(reverse(f"admin:{name}_change", args=[row.pk]))
        if its_admin.has_add_permission(admin_user_request(admin_user)):
            urls.append(reverse(f"admin:{name}_add"))
    for url in urls:
        assert watched.goto(url).status == 200, url
        watched.wait_for_function("() => window.Alpine !== undefined")
        assert refused(watched) == [], url


def admin_user_request(user: User) -> Any:
    class Request:
        """As much of a request as a permission asks for."""

    request: Any = Request()
    request.user = user
    return request


def test_the_overview_looks_again_by_itself(watched: Any, alice: User) -> None:
    watched.goto("/admin/")
    assert watched.get_by_role("link", name="Training “failed-job” failed.").is_visible()
    meter = watched.get_by_role("img", name="CPU over the last hour, now 50 %")
    assert meter.is_visible()
    Node.objects.update(is_draining=True)
    watched.get_by_text("draining").first.wait_for(timeout=20_000)
    assert refused(watched) == []


def test_menu_theme_and_language_are_the_platforms(watched: Any, admin_user: User) -> None:
    watched.goto("/admin/")
    watched.locator("#nav-sidebar-inner").get_by_text(admin_user.email).first.click()
    watched.get_by_role("button", name="Dark").click()
    watched.locator("html.dark").wait_for()
    admin_user.refresh_from_db()
    assert admin_user.theme == "dark"
    ground = "() => getComputedStyle(document.querySelector('.console-figures')).backgroundColor"
    assert watched.evaluate(ground) == "rgb(22, 23, 28)"
    watched.locator("#nav-sidebar-inner").get_by_text(admin_user.email).first.click()
    watched.get_by_role("button", name="简体中文").click()
    watched.locator("html[lang=zh-hans]").wait_for()
    assert watched.locator("h1").inner_text().strip() == "概览"
    watched.goto("/")
    assert watched.evaluate("document.documentElement.dataset.theme") == "dark"
    assert refused(watched) == []


def test_a_password_is_reset_in_a_dialog(watched: Any, alice: User) -> None:
    watched.goto(f"/admin/accounts/user/{alice.pk}/change/")
    watched.get_by_text("Reset the password").first.click()
    field = watched.locator("#dialog input[type=password]")
    field.fill("short")
    watched.get_by_role("button", name="Set the password").click()
    watched.get_by_text("The password is too short").wait_for()
    watched.locator("#dialog input[type=password]").fill("a new and longer phrase")
    watched.get_by_role("button", name="Set the password").click()
    watched.get_by_text("The password is set.").wait_for()
    alice.refresh_from_db()
    assert alice.check_password("a new and longer phrase")
    assert refused(watched) == []


def test_actions_and_filters_work(watched: Any, alice: User) -> None:
    watched.goto(reverse("admin:accounts_user_changelist"))
    row = watched.locator("tr", has_text=alice.email)
    row.locator("input.action-select").check()
    watched.locator("select[name=action]").select_option("deactivate")
    watched.get_by_role("button", name="Run").click()
    watched.get_by_text("1 account is deactivated.").wait_for()
    watched.get_by_text("Filters").first.click()
    watched.get_by_role("link", name="No", exact=True).first.click()
    watched.wait_for_url("**is_active__exact=0**")
    assert watched.locator("#result_list tbody tr").count() == 1
    assert refused(watched) == []


def test_the_overview_fits_a_phone(watched: Any) -> None:
    watched.set_viewport_size({"width": 390, "height": 844})
    for url in ("/admin/", reverse("admin:training_trainingjob_changelist"), "/"):
        watched.goto(url)
        assert watched.evaluate("document.documentElement.scrollWidth") <= 390, url


def test_the_name_of_an_object_has_the_row_of_a_phone(watched: Any, admin_user: User) -> None:
    parent = ".console-parent >> visible=true"
    watched.goto(reverse("admin:accounts_user_change", args=[admin_user.pk]))
    assert watched.locator(parent).count() > 0
    watched.set_viewport_size({"width": 390, "height": 844})
    assert watched.locator(parent).count() == 0


def test_the_demo_is_started_from_the_home_page(watched: Any, tmp_path: Any, settings: Any) -> None:
    settings.TRAINING_PYTHON = tmp_path / "python"
    settings.TRAINING_PYTHON.touch()
    settings.BASE_MODEL_ROOTS = [tmp_path]
    watched.goto("/")
    watched.get_by_role("button", name="Build the base model").click()
    watched.get_by_text("Building the base model").first.wait_for()
    assert watched.locator("#demo progress").count() == 1
    assert watched.evaluate("window.violations") == []


def test_axe_finds_nothing_on_the_overview(watched: Any) -> None:
    from axe_playwright_python.sync_playwright import Axe

    for theme in ("light", "dark"):
        User.objects.filter(email="admin@example.com").update(theme=theme)
        watched.goto("/admin/")
        watched.wait_for_function("() => window.Alpine !== undefined")
        found = Axe().run(watched, context="#overview")
        assert found.violations_count == 0, found.generate_report()
        watched.goto("/")
        found = Axe().run(watched)
        assert found.violations_count == 0, found.generate_report()
