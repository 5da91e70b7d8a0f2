"""What is set apart at one connection: its body, its parameters, its paths; own models."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.core.exceptions import ValidationError
from django.test import Client

from accounts.models import User
from providers import services
from providers.model_list import carry_out, plan_refresh
from providers.models import Provider, ProviderModel
from providers.registry import ADAPTERS
from providers.types import ChatMessage, ChatRequest

ClientFor = Callable[[User], Client]
URL = "https://api.example.com/v1"


def connect(alice: User, preset: str = "custom", **fields: Any) -> Provider:
    wanted = {"name": "p", "base_url": URL, "api_key": "sk-123456789012"} | fields
    return services.create_provider(actor=alice, preset=preset, **wanted)


def body_of(provider: Provider, **parameters: Any) -> tuple[str, dict[str, Any]]:
    target = provider.target("m")
    request = ChatRequest("m", [ChatMessage("user", "hi")], parameters)
    sent = ADAPTERS[provider.kind].chat(target, request)
    return sent.url, orjson.loads(sent.body)


def test_they_change_what_is_sent(alice: User) -> None:
    provider = connect(
        alice,
        profile={"max_tokens_field": "max_completion_tokens", "paths": {"chat": "/talk"}},
        extra_body={"safe": {"mode": "on"}},
        drop_params=["seed"],
    )
    url, body = body_of(provider, seed=1, max_tokens=5, temperature=0.5)
    assert url == f"{URL}/talk"
    assert body["safe"] == {"mode": "on"} and "seed" not in body
    assert body["max_completion_tokens"] == 5 and "max_tokens" not in body
    assert body["temperature"] == 0.5


def test_they_come_on_top_of_the_preset(alice: User) -> None:
    provider = connect(alice, "mistral", base_url="https://api.mistral.ai/v1")
    assert provider.target().profile.include_usage is False
    services.change_provider(provider=provider, actor=alice, profile={"include_usage": True})
    profile = provider.target().profile
    assert profile.include_usage is True and profile.max_tokens_field == "max_tokens"


@pytest.mark.parametrize(
    ("differences", "name"),
    [
        ({"profile": {"nosuch": 1}}, "profile"),
        ({"profile": {"include_usage": "yes"}}, "profile"),
        ({"profile": {"embedding_batch": True}}, "profile"),
        ({"profile": {"embedding_batch": -1}}, "profile"),
        ({"profile": {"paths": {"chat": "https://evil.example/v1"}}}, "profile"),
        ({"profile": {"paths": {"chat": "//evil.example/v1"}}}, "profile"),
        ({"profile": {"headers": {"Authorization": "Bearer x"}}}, "profile"),
        ({"profile": {"headers": {"X-A": "a\r\nHost: b"}}}, "profile"),
        ({"profile": {"auth": "carrier-pigeon"}}, "profile"),
        ({"profile": []}, "profile"),
        ({"profile": {"thinking": "banana"}}, "profile"),
        ({"profile": {"max_tokens_field": "stop"}}, "profile"),
        ({"profile": {"paths": {"chat": "/../x"}}}, "profile"),
        ({"profile": {"headers": {"Transfer-Encoding": "chunked"}}}, "profile"),
        ({"drop_params": ["stream"]}, "drop_params"),
        ({"extra_body": {"model": "other"}}, "extra_body"),
        ({"extra_body": "text"}, "extra_body"),
        ({"drop_params": ["messages"]}, "drop_params"),
        ({"drop_params": "seed"}, "drop_params"),
    ],
)
def test_what_is_refused(alice: User, differences: dict[str, Any], name: str) -> None:
    with pytest.raises(ValidationError) as error:
        connect(alice, **differences)
    assert name in error.value.message_dict
    assert not Provider.objects.exists()


@pytest.mark.parametrize("key", ["sk-1\nX-Evil: y", "钥匙🔑", "a\x00b"])
def test_a_key_that_no_header_can_carry_is_refused(alice: User, key: str) -> None:
    with pytest.raises(ValidationError) as error:
        connect(alice, api_key=key)
    assert "api_key" in error.value.message_dict


def test_a_type_is_one_that_is_known(alice: User, api: Any) -> None:
    connect(alice)
    model = services.add_model(provider=Provider.objects.get(), model_id="m", actor=alice)
    answer = api(alice).patch(f"models/{model.pk}", types=["zzz"])
    assert answer.status_code == 422 and "embedding" in answer.json()["error"]["fields"]["types"][0]
    assert api(alice).patch(f"models/{model.pk}", types=["embedding"]).status_code == 200


def test_the_form_keeps_them(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    form = {"name": "p", "base_url": URL, "api_key": "sk-123456789012"}
    special = {"drop_params": "seed, logprobs", "extra_body": '{"a": 1}', "profile": ""}
    client.post("/providers/new/custom/", form | special)
    provider = Provider.objects.get()
    assert (provider.drop_params, provider.extra_body) == (["seed", "logprobs"], {"a": 1})
    page = client.get(f"/providers/{provider.pk}/edit/").text
    assert (
        "seed, logprobs" in page and ">null<" not in page and '<details class="fold" open' in page
    )
    wrong = client.post(f"/providers/{provider.pk}/edit/", form | {"profile": '{"nosuch": 1}'})
    assert wrong.status_code == 422 and "There is no difference named" in wrong.text
    broken = client.post(f"/providers/{provider.pk}/edit/", form | {"extra_body": "{"})
    assert broken.status_code == 422


def test_a_model_added_by_hand_stays(alice: User, client_for: ClientFor, api: Any) -> None:
    provider = connect(alice)
    client = client_for(alice)
    client.post(f"/providers/{provider.pk}/models/", {"model_id": "text-embedding-mine"})
    model = ProviderModel.objects.get()
    assert (model.main_type, model.is_manual) == ("embedding", True)
    again = client.post(
        f"/providers/{provider.pk}/models/", {"model_id": model.model_id}, follow=True
    )
    assert "on the list already" in again.text
    carry_out(provider, plan_refresh(provider, []))
    model.refresh_from_db()
    assert model.missing_since is None
    answer = api(alice).post(f"providers/{provider.pk}/models", model_id="gpt-mine")
    assert answer.status_code == 201 and answer.json()["types"] == ["chat"]
    assert api(alice).post(f"providers/{provider.pk}/models", model_id=" ").status_code == 422
