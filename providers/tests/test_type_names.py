"""Types of models in people's words, and the checkboxes with which they are chosen."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils.translation import override

from accounts.models import User
from providers.detection import KNOWN_TYPES
from providers.models import Provider, ProviderModel
from providers.type_names import TYPE_NAMES, type_name

Pages = Callable[[User], Client]


@pytest.fixture
def model(alice: User) -> ProviderModel:
    provider = Provider.objects.create(owner=alice, name="Acme", preset="deepseek")
    return ProviderModel.objects.create(
        provider=provider, model_id="m", name="m", types=["stt", "chat"], main_type="stt"
    )


def path_of(model: ProviderModel) -> str:
    return f"/providers/{model.provider_id}/models/{model.pk}/"


def save(client: Client, model: ProviderModel, types: Any) -> Any:
    answer = client.post(path_of(model), {"name": "m", "is_enabled": "on", "types": types})
    model.refresh_from_db()
    return answer


def test_every_type_has_a_name_in_both_languages() -> None:
    assert set(TYPE_NAMES) == set(KNOWN_TYPES)
    english = {code: type_name(code) for code in KNOWN_TYPES}
    assert english["stt"] == "speech to text" and type_name("brand-new") == "brand-new"
    with override("zh-hans"):
        assert type_name("stt") == "语音转文字"
        assert [code for code in KNOWN_TYPES if type_name(code) == english[code]] == []


def test_pages_show_names(model: ProviderModel, alice: User, client_for: Pages) -> None:
    client = client_for(alice)
    client.cookies["django_language"] = "zh-hans"
    for path in (f"/providers/{model.provider_id}/", path_of(model)):
        text = client.get(path).text
        assert "语音转文字" in text and ">stt<" not in text


def test_types_are_ticked(model: ProviderModel, alice: User, client_for: Pages) -> None:
    client = client_for(alice)
    page = client.get(path_of(model)).text
    assert page.count('type="checkbox" name="types"') == len(KNOWN_TYPES)
    assert page.count(" checked") == 3, "both of its types, and that it is enabled"
    assert save(client, model, ["chat", "stt"]).status_code == 302
    assert model.types == ["stt", "chat"] and model.edited == [], "nothing has changed"
    assert save(client, model, ["chat", "stt", "vision"]).status_code == 302
    assert model.types == ["stt", "chat", "vision"] and model.main_type == "stt"
    assert save(client, model, ["vision", "chat"]).status_code == 302
    assert model.types == ["chat", "vision"] and model.main_type == "chat"


def test_names_with_commas_are_good_too(
    model: ProviderModel, alice: User, client_for: Pages
) -> None:
    client = client_for(alice)
    assert save(client, model, "chat, reasoning").status_code == 302
    assert model.types == ["chat", "reasoning"]


@pytest.mark.parametrize(
    ("types", "words"), [([], "at least one type"), (["nosuch"], "no type “nosuch”")]
)
def test_wrong_types_are_named(
    model: ProviderModel, alice: User, client_for: Pages, types: list[str], words: str
) -> None:
    answer = save(client_for(alice), model, types)
    assert answer.status_code == 422 and words in answer.text
    assert "Nothing is saved yet" in answer.text and model.types == ["stt", "chat"]
