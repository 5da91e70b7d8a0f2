"""Presets: complete, in both languages, and spoken by a dialect that exists."""

import dataclasses
from collections import Counter
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from accounts.models import User
from providers.addresses import problem_with_url
from providers.models import Kind, Provider
from providers.presets import BY_SLUG, PRESETS, Preset, catalog_slug
from providers.registry import ADAPTERS
from providers.services import check_connection, create_provider, list_models
from providers.tests.stand_in import StandIn
from providers.types import Profile

FACTS = (
    *("openai", "azure", "anthropic", "gemini", "deepseek", "dashscope", "zhipu", "moonshot"),
    *("minimax", "baichuan", "yi", "volcengine", "hunyuan", "qianfan", "spark", "stepfun"),
    *("siliconflow", "openrouter", "mistral", "groq", "xai", "cohere", "together", "fireworks"),
    *("perplexity", "nvidia", "ollama", "vllm", "lmstudio", "xinference", "llamafactory"),
    *("litellm", "dify"),
)
PROFILE = {
    *("auth", "headers", "paths", "api_version", "max_tokens_field", "include_usage"),
    *("thinking", "starts_in_think", "app_mode", "embedding_batch"),
}
PARTS = {"{resource}", "{deployment}", "{workspace}", "{region}", "{host}"}


def test_all_33_providers_and_any_other_are_there() -> None:
    assert len(FACTS) == 33
    assert sorted(BY_SLUG) == sorted({*FACTS, "custom", "echo"})
    assert len(BY_SLUG) == len(PRESETS)


@pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.slug)
def test_a_preset_is_complete(preset: Preset) -> None:
    assert preset.kind in Kind.values
    assert set(preset.profile) <= PROFILE
    assert preset.base_urls or preset.slug in ("custom", "echo")
    labels = Counter(str(address.label) for address in preset.addresses)
    assert not preset.addresses or max(labels.values()) == 1
    for address in preset.addresses:
        assert not address.url.endswith("/")
        plain = address.url
        for part in PARTS:
            plain = plain.replace(part, "x")
        assert problem_with_url(plain) is None, address.url
        assert set(address.profile) <= PROFILE


def test_profiles_are_what_adapters_read() -> None:
    names = {field.name for field in dataclasses.fields(Profile)}
    for preset in PRESETS:
        for address in preset.addresses:
            assert set(preset.profile_at(address.url)) <= names, preset.slug


def test_names_are_in_both_languages() -> None:
    with translation.override("zh-hans"):
        chinese = {slug: str(preset.name) for slug, preset in BY_SLUG.items()}
    with translation.override("en"):
        english = {slug: str(preset.name) for slug, preset in BY_SLUG.items()}
    assert (chinese["deepseek"], english["deepseek"]) == ("DeepSeek（深度求索）", "DeepSeek")
    assert all(name.isascii() for name in english.values())
    assert sum(chinese[slug] != english[slug] for slug in BY_SLUG) >= 20


def test_the_echo_is_called_alike_in_both_languages(alice: User) -> None:
    names = set()
    for language in ("zh-hans", "en"):
        with translation.override(language):
            names.add(create_provider(actor=alice, preset="echo").name)
    assert names == {"Echo"}
    assert BY_SLUG["custom"].suggested_name == ""


def test_every_preset_speaks_a_dialect_that_exists() -> None:
    assert {preset.kind for preset in PRESETS} <= ADAPTERS.keys() == set(Kind.values)


def test_what_differs_at_one_address_is_read_from_it() -> None:
    preset = BY_SLUG["dashscope"]
    assert "paths" in preset.profile_at("https://dashscope.aliyuncs.com/compatible-mode/v1/")
    assert preset.profile_at("https://dashscope-intl.aliyuncs.com/compatible-mode/v1") == {
        "embedding_batch": 10
    }
    assert BY_SLUG["mistral"].profile_at("https://example.com")["include_usage"] is False
    hunyuan = BY_SLUG["hunyuan"]
    assert not hunyuan.known_models_at(hunyuan.base_urls[0])
    assert hunyuan.known_models_at("https://api.hunyuan.cloud.tencent.com/v1")


@pytest.mark.parametrize(
    ("preset", "url", "slug"),
    [
        ("deepseek", "https://api.deepseek.com", "deepseek"),
        ("custom", "https://api.deepseek.com/v1", "deepseek"),
        ("custom", "https://example.com/v1", ""),
        ("custom", "http://localhost:8000/v1", ""),
        ("vllm", "http://localhost:8000/v1", "vllm"),
        ("openai", "https://api.deepseek.com/v1", "deepseek"),
        ("openai", "https://proxy.example.com/v1", "openai"),
        ("", "", ""),
    ],
)
def test_whose_catalog_applies(preset: str, url: str, slug: str) -> None:
    assert catalog_slug(preset, url) == slug


def test_the_page_offers_them_by_section(alice: User) -> None:
    client = Client()
    client.force_login(alice)
    page = client.get("/providers/new/").text
    assert page.index("China") < page.index("DeepSeek") < page.index("International")
    for preset in PRESETS:
        assert f"/providers/new/{preset.slug}/" in page


@pytest.mark.parametrize("slug", BY_SLUG)
def test_every_form_opens_with_addresses_and_the_note(alice: User, slug: str) -> None:
    client = Client()
    client.force_login(alice)
    preset = BY_SLUG[slug]
    response = client.get(f"/providers/new/{slug}/")
    assert response.status_code == 200
    for url in preset.base_urls:
        assert url in response.text
    form = response.context["form"]
    if preset.key_note:
        assert str(preset.key_note) in form.fields["api_key"].help_text


def test_the_api_lists_them(alice: User, api: Any) -> None:
    rows = {row["slug"]: row for row in api(alice).get("provider-presets").json()["items"]}
    assert rows.keys() == BY_SLUG.keys()
    zhipu = rows["zhipu"]
    assert zhipu["base_urls"][0] == "https://open.bigmodel.cn/api/paas/v4"
    assert zhipu["addresses"][1] == {
        "url": "https://api.z.ai/api/paas/v4",
        "label": "International",
    }


def test_braces_are_to_be_filled_in(alice: User, api: Any) -> None:
    url = "https://{workspace}.{region}.maas.aliyuncs.com/compatible-mode/v1"
    answer = api(alice).post("providers", preset="dashscope", base_url=url, api_key="k")
    assert answer.status_code == 422 and "base_url" in answer.json()["error"]["fields"]


def test_without_a_list_the_known_models_are_the_list(alice: User) -> None:
    """Nothing is asked: the suite reaches no network."""
    provider = create_provider(actor=alice, preset="baichuan", api_key="k")
    listed = {row.model_id: row for row in list_models(provider)}
    assert listed["Baichuan-Text-Embedding"].types == ("embedding",)
    assert listed["Baichuan4"].context_tokens == 32_000


def test_without_a_list_a_test_is_one_small_call(
    transactional_db: None, alice: User, stand_in: StandIn
) -> None:
    provider = Provider(owner=alice, kind="openai", preset="spark", base_url=stand_in.url)
    provider.set_key("k")
    assert check_connection(provider).ok
    assert (stand_in.seen[0]["model"], stand_in.seen[0]["max_tokens"]) == ("lite", 16)
    stand_in.mode = "401"
    error = check_connection(provider).error
    assert error is not None and error.code == "authentication"
