"""The model lists of fifteen providers, each in its own wire format, from a server of our own.

The ids and their types are those of the price seed, which has them from litellm. The table of
prices is emptied first, so that names and what the provider says must do.
"""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from accounts.models import User
from providers import services
from providers.errors import ProviderError
from providers.models import ModelPrice, Provider
from providers.price_import import read_seed
from providers.undoing import undo_refresh

pytestmark = pytest.mark.django_db
SLUGS = (
    *("fireworks", "openai", "together", "mistral", "dashscope", "gemini", "xai", "anthropic"),
    *("cohere", "zhipu", "volcengine", "hunyuan", "moonshot", "deepseek", "groq"),
)
LABELS: dict[str, dict[str, str]] = {slug: {} for slug in SLUGS}
for _row in read_seed().rows:
    if _row["provider_slug"] in LABELS:
        LABELS[_row["provider_slug"]][_row["model_pattern"]] = _row["main_type"]


def body_of(slug: str, ids: Sequence[str]) -> bytes:
    """What the provider answers; those whose API says what a model can do say it."""
    if slug == "gemini":
        methods = {"embedding": "embedContent"}
        rows = [
            {
                "name": f"models/{each}",
                "supportedGenerationMethods": [
                    methods.get(LABELS[slug].get(each, "chat"), "generateContent")
                ],
            }
            for each in ids
        ]
        return json.dumps({"models": rows}).encode()
    if slug == "cohere":
        ends = {"embedding": "embed", "rerank": "rerank"}
        rows = [
            {"name": each, "endpoints": [ends.get(LABELS[slug].get(each, "chat"), "chat")]}
            for each in ids
        ]
        return json.dumps({"models": rows}).encode()
    rows = [{"id": each, "object": "model"} for each in ids]
    return json.dumps({"object": "list", "data": rows, "has_more": False}).encode()


class Lists:
    """Answers every question with `status` and `body`."""

    def __init__(self) -> None:
        self.status, self.body = 200, b""
        lists = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(lists.status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(lists.body)))
                self.end_headers()
                self.wfile.write(lists.body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def lists(settings: Any) -> Iterator[Lists]:
    settings.ALLOW_PRIVATE_PROVIDER_URLS = True
    made = Lists()
    yield made
    made.server.shutdown()
    made.server.server_close()


def connection_of(slug: str, owner: User, lists: Lists, ids: Sequence[str]) -> Provider:
    provider = services.create_provider(
        actor=owner, preset=slug, base_url=lists.url, api_key="k", retries=0
    )
    lists.status, lists.body = 200, body_of(slug, ids)
    services.refresh_models(provider=provider, actor=owner)
    return provider


def rows_of(provider: Provider) -> list[dict[str, Any]]:
    return list(provider.models.order_by("pk").values())


def test_types_are_right(alice: User, lists: Lists) -> None:
    ModelPrice.objects.all().delete()
    wrong, count = [], 0
    for slug in SLUGS:
        provider = connection_of(slug, alice, lists, list(LABELS[slug]))
        found = dict(provider.models.values_list("model_id", "main_type"))
        assert found.keys() == LABELS[slug].keys(), slug
        count += len(found)
        wrong += [
            f"{slug}: {each} is {kind}, found {found[each]}"
            for each, kind in LABELS[slug].items()
            if found[each] != kind
        ]
    print(f"{1 - len(wrong) / count:.2%} of {count}; misses:", *wrong, sep="\n  ")  # noqa: T201
    assert count > 800 and len(wrong) <= 0.02 * count


@pytest.mark.parametrize("slug", SLUGS)
def test_what_fails_changes_nothing_and_undo_restores(slug: str, alice: User, lists: Lists) -> None:
    ids = list(LABELS[slug])[:20]
    provider = connection_of(slug, alice, lists, ids)
    before = rows_of(provider)
    whole = lists.body
    for lists.status, lists.body in ((500, b"{}"), (401, b"{}"), (200, whole[:-9]), (200, b"<p>")):
        with pytest.raises(ProviderError):
            services.refresh_models(provider=provider, actor=alice)
        assert rows_of(provider) == before
    lists.status, lists.body = 200, body_of(slug, [*ids[1:], "a-new-model"])
    plan = services.refresh_models(provider=provider, actor=alice)
    assert len(plan.added) == len(plan.missing) == 1
    provider.refresh_from_db()
    assert undo_refresh(provider=provider, actor=alice) == 2
    assert rows_of(provider) == before
