"""The preview of a refresh: what it shows, that it changes nothing, and what applying does."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import AuditEvent, User
from providers import model_list, offered_models, services
from providers.model_list import opened, plan_refresh, sealed
from providers.models import CallRecord, Provider, ProviderModel
from providers.types import ListedModel

Pages = Callable[[User], Client]


def listed(*ids: str) -> list[ListedModel]:
    return [ListedModel(each, ("chat",)) for each in ids]


@pytest.fixture
def provider(alice: User) -> Provider:
    """Lists old, kept and gone; a person edited kept."""
    row = services.create_provider(
        actor=alice, kind="openai", name="Acme", base_url="https://acme.example/v1", api_key="k"
    )
    services.apply_models(provider=row, listed=listed("old", "kept", "gone"), actor=alice)
    kept = row.models.get(model_id="kept")
    services.change_model(model=kept, actor=alice, types=["embedding"], context_tokens=7)
    return row


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the provider says when it is asked for its list."""
    found: dict[str, Any] = {
        "rows": [
            ListedModel("old", ("chat", "vision"), 1000, "metadata"),
            ListedModel("kept", ("rerank",), 9, "metadata"),
            ListedModel("fresh<b>", ("embedding",), 512),
        ]
    }

    def list_models(provider: Provider) -> list[ListedModel]:
        if isinstance(found["rows"], Exception):
            raise found["rows"]
        rows: list[ListedModel] = found["rows"]
        return rows

    monkeypatch.setattr(offered_models, "list_models", list_models)
    monkeypatch.setattr(services, "list_models", list_models)
    return found


def rows_of(provider: Provider) -> list[Any]:
    return list(ProviderModel.objects.filter(provider=provider).order_by("pk").values())


def test_the_preview_shows_and_changes_nothing(
    alice: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    before = rows_of(provider)
    response = client_for(alice).post(f"/providers/{provider.pk}/refresh/")
    assert response.status_code == 200
    page = response.text
    for text in ("1 model is new", "1 model changes", "1 model is no longer listed"):
        assert text in page
    assert "fresh&lt;b&gt;" in page and "fresh<b>" not in page and "1,000" in page
    assert "1 model stays as it was edited" in page and ">rerank<" in page
    assert page.count("its name") == 1
    assert rows_of(provider) == before


def test_applying_does_what_was_shown(
    alice: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    client = client_for(alice)
    shown = client.post(f"/providers/{provider.pk}/refresh/").context["sealed"]
    answers["rows"] = []
    count = AuditEvent.objects.filter(action="provider.refresh").count()
    answer = client.post(f"/providers/{provider.pk}/refresh/apply/", {"list": shown})
    assert answer.status_code == 302
    models = {model.model_id: model for model in provider.models.all()}
    assert models["fresh<b>"].types == ["embedding"]
    assert models["old"].types == ["chat", "vision"] and models["old"].context_tokens == 1000
    assert models["kept"].types == ["embedding"] and models["kept"].context_tokens == 7
    assert models["kept"].main_type == "embedding"
    assert models["gone"].missing_since is not None
    assert AuditEvent.objects.filter(action="provider.refresh").count() == count + 1


def test_edits_made_while_the_preview_was_open_survive(
    alice: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    client = client_for(alice)
    shown = client.post(f"/providers/{provider.pk}/refresh/").context["sealed"]
    old = provider.models.get(model_id="old")
    services.change_model(model=old, actor=alice, context_tokens=5)
    client.post(f"/providers/{provider.pk}/refresh/apply/", {"list": shown})
    old.refresh_from_db()
    assert (old.types, old.context_tokens) == (["chat", "vision"], 5)


def test_nothing_to_change_needs_no_preview(
    alice: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    services.apply_models(provider=provider, listed=answers["rows"], actor=alice)
    before = rows_of(provider)
    answer = client_for(alice).post(f"/providers/{provider.pk}/refresh/", follow=True)
    assert "The model list is up to date." in answer.text
    assert rows_of(provider) == before


def test_the_api_previews_too(
    alice: User, provider: Provider, answers: dict[str, Any], api: Any
) -> None:
    before = rows_of(provider)
    found = api(alice).post(f"providers/{provider.pk}/refresh-models?preview=true").json()
    assert [found[name] for name in ("added", "updated", "missing", "kept")] == [1, 1, 1, 1]
    assert found["missing_models"] == ["gone"]
    assert {row["model_id"]: row["types"] for row in found["models"]} == {
        "fresh<b>": ["embedding"],
        "old": ["chat", "vision"],
    }
    assert rows_of(provider) == before
    assert api(alice).post(f"providers/{provider.pk}/refresh-models").json()["kept"] == 1


def test_a_failed_refresh_changes_nothing(
    alice: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    from providers.errors import ProviderError

    before, when = rows_of(provider), Provider.objects.get().refreshed_at
    answers["rows"] = ProviderError()
    answer = client_for(alice).post(f"/providers/{provider.pk}/refresh/")
    assert answer.status_code == 302
    assert rows_of(provider) == before and Provider.objects.get().refreshed_at == when


def test_what_fails_while_applying_changes_nothing(
    alice: User, provider: Provider, answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows_of(provider)

    def fail(**_values: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(offered_models, "audit", fail)
    with pytest.raises(RuntimeError):
        services.refresh_models(provider=provider, actor=alice)
    assert rows_of(provider) == before


@pytest.mark.parametrize("text", ["", "nonsense", "x:y:z"])
def test_only_a_preview_of_ours_is_applied(
    alice: User, provider: Provider, client_for: Pages, text: str
) -> None:
    before = rows_of(provider)
    answer = client_for(alice).post(
        f"/providers/{provider.pk}/refresh/apply/", {"list": text}, follow=True
    )
    assert "This preview is too old" in answer.text
    assert rows_of(provider) == before


def test_a_preview_is_for_one_provider_and_for_an_hour(
    alice: User, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ListedModel("a", ("chat", "vision"), 5, "metadata")]
    text = sealed(provider, rows)
    assert opened(provider, text) == rows
    other = services.create_provider(actor=alice, preset="echo")
    assert opened(other, text) is None
    monkeypatch.setattr(model_list, "PREVIEW_AGE_S", -1)
    assert opened(provider, text) is None


def test_only_who_may_edit_may_refresh(
    alice: User, bob: User, provider: Provider, answers: dict[str, Any], client_for: Pages
) -> None:
    text = sealed(provider, answers["rows"])
    for path in ("refresh/", "refresh/apply/"):
        answer = client_for(bob).post(f"/providers/{provider.pk}/{path}", {"list": text})
        assert answer.status_code == 404


def test_what_is_listed_again_comes_back(alice: User, provider: Provider) -> None:
    services.apply_models(provider=provider, listed=listed("old", "kept"), actor=alice)
    plan = plan_refresh(provider, listed("old", "kept", "gone"))
    assert [(c.model.model_id, c.is_back, c.after) for c in plan.changed] == [("gone", True, {})]
    services.apply_models(provider=provider, listed=listed("old", "kept", "gone"), actor=alice)
    assert not ProviderModel.objects.exclude(missing_since=None).exists()


def test_a_hundred_thousand_bytes_of_list_fit_the_form(
    alice: User, provider: Provider, client_for: Pages
) -> None:
    rows = listed(*(f"accounts/acme/models/some-long-name-{n}" for n in range(2000)))
    text = sealed(provider, rows)
    assert len(text) < 200_000
    client_for(alice).post(f"/providers/{provider.pk}/refresh/apply/", {"list": text})
    assert provider.models.filter(missing_since=None).count() == 2000


def test_an_id_that_is_written_differently_stays_the_same_model(
    alice: User, provider: Provider, client_for: Pages, answers: dict[str, Any], api: Any
) -> None:
    kept = provider.models.get(model_id="kept")
    services.change_model(model=kept, actor=alice, name="Ours")
    answers["rows"] = listed("acme/Old", "KEPT", "other")
    told = api(alice).post(f"providers/{provider.pk}/refresh-models?preview=true").json()
    assert (told["renamed"], told["added"], told["missing"]) == (2, 1, 1)
    assert {row["was"]: row["model_id"] for row in told["models"] if row["was"]} == {
        "old": "acme/Old",
        "kept": "KEPT",
    }
    client, path = client_for(alice), f"/providers/{provider.pk}/"
    page = client.post(path + "refresh/")
    assert "2 models are written differently now" in page.text and "acme/Old" in page.text
    client.post(path + "refresh/apply/", {"list": page.context["sealed"]})
    now = provider.models.get(pk=kept.pk)
    assert (now.model_id, now.name, now.types) == ("KEPT", "Ours", ["embedding"])
    assert provider.models.get(model_id="acme/Old").name == "acme/Old"


def test_between_several_nothing_is_guessed(alice: User, provider: Provider) -> None:
    plan = plan_refresh(provider, listed("a/old", "b/old", "kept", "gone"))
    assert not plan.renamed and len(plan.added) == 2
    assert [model.model_id for model in plan.missing] == ["old"]


def test_a_refresh_can_be_undone(
    alice: User, provider: Provider, client_for: Pages, answers: dict[str, Any]
) -> None:
    """Everything is as it was: new, gone, changed, renamed; by hand what was edited since stays."""
    before = rows_of(provider)
    answers["rows"] = [
        ListedModel("old", ("chat", "vision"), 1000, "metadata"),
        *listed("Kept", "new"),
    ]
    client, path = client_for(alice), f"/providers/{provider.pk}/"
    sealed_list = client.post(path + "refresh/").context["sealed"]
    client.post(path + "refresh/apply/", {"list": sealed_list})
    assert rows_of(provider) != before
    assert "The model list was last changed" in client.get(path).text
    done = client.post(path + "refresh/undo/", follow=True)
    assert "as it was before the refresh" in done.text
    assert rows_of(provider) == before
    again = client.post(path + "refresh/undo/", follow=True)
    assert "There is no refresh to undo" in again.text and rows_of(provider) == before
    actions = AuditEvent.objects.values_list("action", flat=True)
    assert list(actions).count("provider.undo_refresh") == 1


def test_an_undo_keeps_what_people_did_since(
    alice: User, provider: Provider, answers: dict[str, Any], api: Any
) -> None:
    answers["rows"] = [ListedModel("old", ("rerank",), 5), *listed("kept", "gone", "used", "idle")]
    services.refresh_models(provider=provider, actor=alice)
    old, used = (provider.models.get(model_id=name) for name in ("old", "used"))
    services.change_model(model=old, actor=alice, context_tokens=77)
    CallRecord.objects.create(user=alice, model=used, source="chat", status="done")
    answer = api(alice).post(f"providers/{provider.pk}/undo-refresh")
    assert answer.json() == {"models": 3}
    old.refresh_from_db()
    used.refresh_from_db()
    assert (old.types, old.context_tokens) == (["chat"], 77)
    assert used.missing_since is not None, "its calls keep their model"
    assert not provider.models.filter(model_id="idle").exists()
    assert api(alice).post(f"providers/{provider.pk}/undo-refresh").status_code == 422
