"""Aliases from end to end: fallback, rounds, records, scopes; and the pages that keep them."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import openai
import pytest
from django.core.exceptions import ValidationError
from django.template.loader import render_to_string
from django.test import Client
from django.utils import timezone

from accounts.models import User
from providers import aliases
from providers.errors import Unavailable
from providers.models import Alias, CallRecord, ModelHealth, Provider, ProviderModel
from providers.services import Trial, create_provider
from providers.tests.conftest import MakeKey, Records
from providers.tests.stand_in import StandIn

HELLO = [{"role": "user", "content": "hello there"}]
ClientFor = Callable[[User], Client]
MINUTE = timedelta(minutes=1)


@pytest.fixture
def second(remote: Provider) -> Iterator[StandIn]:
    """Another provider, which has the model `n`."""
    server = StandIn()
    server.start()
    provider = create_provider(
        actor=remote.owner,  # type: ignore[arg-type]
        kind="openai",
        name="spare",
        base_url=server.url,
        api_key="sk-another-key-12345",
    )
    ProviderModel.objects.create(provider=provider, model_id="n", name="n", types=["chat"])
    yield server
    server.stop()


def make_alias(alice: User, **fields: Any) -> Alias:
    models = ProviderModel.objects.order_by("model_id").values_list("pk", flat=True)
    return aliases.create_alias(actor=alice, name="default", models=list(models), **fields)


def ask(sdk: Any, **fields: Any) -> Any:
    wanted = {"model": "default", "messages": HELLO} | fields
    return sdk.chat.completions.with_raw_response.create(**wanted)


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("mode", ["500", "401", "429", "html"])
def test_the_next_one_answers(
    sdk: Any,
    alice: User,
    stand_in: StandIn,
    second: StandIn,
    recorded: Records,
    mode: str,
    is_stream: bool,
) -> None:
    make_alias(alice)
    stand_in.mode = mode
    raw = ask(sdk, stream=is_stream)
    answer = raw.parse()
    if is_stream:
        text = "".join(c.choices[0].delta.content or "" for c in answer if c.choices)
        assert text == "one two three"
    else:
        assert answer.choices[0].message.content == "hi"
    assert raw.headers["x-platform-model"] == "spare/n"
    [row] = recorded(1)
    assert (row.status, row.model_label, row.alias_label) == ("done", "n", "default")
    [attempt] = row.attempts
    assert attempt["model"] == "up/m" and attempt["error"]
    assert row.completion_tokens == 3


def test_what_the_caller_did_wrong_is_tried_once(
    sdk: Any, alice: User, stand_in: StandIn, second: StandIn
) -> None:
    make_alias(alice)
    with pytest.raises(openai.BadRequestError):
        ask(sdk, messages=[])
    assert stand_in.seen == [] and second.seen == []


def test_after_the_first_token_nothing_is_tried_again(
    sdk: Any, alice: User, stand_in: StandIn, second: StandIn, recorded: Records
) -> None:
    make_alias(alice)
    stand_in.mode = "cut"
    with pytest.raises(openai.APIError):
        list(ask(sdk, stream=True).parse())
    assert second.seen == []
    assert recorded(1)[0].status == "interrupted"


def test_all_are_tried_again_in_a_further_round(
    sdk: Any, alice: User, stand_in: StandIn, second: StandIn, recorded: Records
) -> None:
    make_alias(alice, retries=1)
    stand_in.mode = second.mode = "500"
    with pytest.raises(openai.APIStatusError):
        ask(sdk)
    assert (len(stand_in.seen), len(second.seen)) == (2, 2)
    assert [each["model"] for each in recorded(1)[0].attempts] == ["up/m", "spare/n"] * 2


def test_what_is_out_of_credit_rests_and_others_learn_of_it(
    sdk: Any, alice: User, stand_in: StandIn, second: StandIn, recorded: Records
) -> None:
    make_alias(alice)
    stand_in.mode = "401"
    for _each in range(3):
        ask(sdk)
    recorded(3)
    assert len(stand_in.seen) == 1 and len(second.seen) == 3
    health = ModelHealth.objects.get()
    assert (health.model.model_id, health.state, health.reason) == ("m", "open", "authentication")


def test_an_alias_is_listed_and_found(sdk: Any, alice: User, second: StandIn) -> None:
    make_alias(alice)
    assert "default" in [model.id for model in sdk.models.list()]
    assert sdk.models.retrieve("default").owned_by == "alias"


def test_a_key_may_use_what_it_names(
    sdk_for: Callable[..., Any], alice: User, make_key: MakeKey, second: StandIn, stand_in: StandIn
) -> None:
    make_alias(alice)
    ask(sdk_for(make_key(allowed_models=["default"])))
    assert len(stand_in.seen) == 1
    ask(sdk_for(make_key(allowed_models=["n"])))
    assert (len(stand_in.seen), len(second.seen)) == (1, 1)
    with pytest.raises(openai.NotFoundError):
        ask(sdk_for(make_key(allowed_models=["other"])))


def test_a_strangers_alias_is_unknown(
    sdk_for: Callable[..., Any], alice: User, bob: User, make_key: MakeKey, second: StandIn
) -> None:
    make_alias(alice)
    with pytest.raises(openai.NotFoundError):
        ask(sdk_for(make_key(user=bob)))


@pytest.mark.django_db
def test_what_may_not_be_saved(alice: User, bob: User, admin_user: User) -> None:
    theirs = create_provider(actor=bob, preset="echo").models.all()[0]
    for fields, name in (
        ({"name": "a/b"}, "name"),
        ({"name": "a", "strategy": "nosuch"}, "strategy"),
        ({"name": "a", "retries": 99}, "retries"),
        ({"name": "a", "models": [theirs.pk]}, "models"),
        ({"name": "a", "is_shared": True}, "is_shared"),
    ):
        with pytest.raises(ValidationError) as error:
            aliases.create_alias(actor=alice, **fields)  # type: ignore[arg-type]
        assert name in error.value.message_dict
    own = create_provider(actor=admin_user, preset="echo").models.all()[0]
    with pytest.raises(ValidationError):
        aliases.create_alias(actor=admin_user, name="all", models=[own.pk], is_shared=True)
    aliases.create_alias(actor=alice, name="a")
    with pytest.raises(ValidationError):
        aliases.create_alias(actor=alice, name="a")
    aliases.create_alias(actor=bob, name="a")


@pytest.mark.django_db
def test_the_api(alice: User, api: Any) -> None:
    model = create_provider(actor=alice, preset="echo").models.all()[0]
    client = api(alice)
    made = client.post("aliases", name="default", models=[model.pk])
    assert made.status_code == 201 and made.json()["models"][0]["weight"] == 1
    url = f"aliases/{made.json()['id']}"
    for wrong in (
        {"models": [10**30]},
        {"models": [model.pk + 1000]},
        {"weights": {str(model.pk + 1000): 2}},
        {"weights": {str(10**30): 2}},
        {"strategy": "nosuch"},
    ):
        assert client.patch(url, **wrong).status_code == 422, wrong
    assert client.patch(url, weights={str(model.pk): 3}, is_enabled=False).status_code == 200
    assert client.get(url).json()["models"][0]["weight"] == 3
    assert client.get("aliases").json()["count"] == 1
    assert client.delete(url).status_code == 204


@pytest.mark.django_db
def test_the_pages(alice: User, client_for: ClientFor) -> None:
    client = client_for(alice)
    models = list(create_provider(actor=alice, preset="echo", name="e").models.all())
    assert "No alias yet" in client.get("/providers/aliases/").text
    wrong = client.post("/providers/aliases/new/", {"name": "", "strategy": "order"})
    assert wrong.status_code == 422 and "Nothing is saved yet" in wrong.text
    form = {"name": "default", "strategy": "weight", "retries": "1"}
    url = client.post("/providers/aliases/new/", form).headers["Location"]
    assert "No models behind it yet" in client.get(url).text
    assert "No models yet: not served" in client.get("/providers/aliases/").text
    for model in models:
        client.post(f"{url}models/", {"add": model.pk})
    first = models[0]
    client.post(f"{url}models/", {f"weight-{first.pk}": "9"})
    alias = Alias.objects.get()
    assert alias.members.get(model=first).weight == 9
    if len(models) > 1:
        client.post(f"{url}models/", {"up": models[1].pk})
        assert alias.members.first().model_id == models[1].pk  # type: ignore[union-attr]
    assert "That was no number" in client.post(f"{url}models/", {"add": "x"}, follow=True).text
    bad = client.post(f"{url}models/", {f"weight-{first.pk}": "0"}, follow=True).text
    assert "between 1 and 1000" in bad
    before = CallRecord.objects.count()
    tried = client.post(f"{url}try/").text
    trials = CallRecord.objects.order_by("pk")[before:]
    assert {row.source for row in trials} == {"trial"} and all(row.status for row in trials)
    assert first.model_id in tried and "Answers" in tried
    part = client.get(url, headers={"HX-Request": "true"}).text
    assert first.model_id in part and "<html" not in part
    client.post(f"{url}models/", {"remove": first.pk})
    assert not alias.members.filter(model=first).exists()
    client.post(f"{url}edit/", form | {"name": "other", "strategy": "cost"})
    client.post(f"{url}toggle/")
    alias.refresh_from_db()
    assert (alias.name, alias.strategy, alias.is_enabled) == ("other", "cost", False)
    assert client.post(f"{url}delete/").headers["Location"] == "/providers/aliases/"
    assert not Alias.objects.exists()


@pytest.mark.django_db
def test_why_a_model_rests_is_said_in_words(alice: User, client_for: ClientFor) -> None:
    model = create_provider(actor=alice, preset="echo", name="e").models.get()
    alias = aliases.create_alias(actor=alice, name="default", models=[model.pk])
    health = ModelHealth.objects.create(
        model=model, state="open", reason="authentication", retry_at=timezone.now() + MINUTE
    )
    client, url = client_for(alice), f"/providers/aliases/{alias.pk}/"
    page = client.get(url).text
    assert "The provider refuses the API key." in page and "authentication" not in page
    ModelHealth.objects.filter(pk=health.pk).update(reason="of_a_later_version")
    assert "The provider reported an error." in client.get(url).text
    trials = [Trial(model, 7, Unavailable())]
    tried = render_to_string("providers/alias_trials.html", {"trials": trials})
    assert "Fails" in tried and "does not answer" in tried and "unavailable" not in tried


@pytest.mark.django_db
def test_behind_one_alias_all_models_do_the_same(alice: User, client_for: ClientFor) -> None:
    provider = create_provider(actor=alice, preset="echo", name="e")
    chat = provider.models.get()
    made: dict[str, ProviderModel] = {}
    for name in ("embedding", "rerank", "reasoning"):
        made[name] = ProviderModel.objects.create(
            provider=provider, model_id=f"a-{name}", main_type=name, types=[name]
        )
    both = ProviderModel.objects.create(
        provider=provider, model_id="both", main_type="chat", types=["chat", "embedding"]
    )
    thinker, vectors = made["reasoning"], made["embedding"]
    alias = aliases.create_alias(actor=alice, name="default", models=[chat.pk, thinker.pk, both.pk])
    for models in ([chat.pk, vectors.pk], [chat.pk, both.pk, vectors.pk]):
        with pytest.raises(ValidationError) as error:
            aliases.change_alias(alias=alias, actor=alice, models=models)
        [text] = error.value.message_dict["models"]
        assert "“e/echo” is of the type chat, “e/a-embedding” of the type embedding" in text
    aliases.create_alias(actor=alice, name="vectors", models=[vectors.pk, both.pk])
    page = client_for(alice).get(f"/providers/aliases/{alias.pk}/")
    assert page.context["offered"] == []
    empty = aliases.create_alias(actor=alice, name="empty")
    offered = client_for(alice).get(f"/providers/aliases/{empty.pk}/").context["offered"]
    assert {model.main_type for model in offered} == {"chat", "embedding", "rerank", "reasoning"}
    # What was mixed before can be put in order.
    alias.members.create(model=vectors)
    aliases.change_alias(alias=alias, actor=alice, models=[both.pk, vectors.pk, chat.pk])
    aliases.change_alias(alias=alias, actor=alice, models=[chat.pk])


@pytest.mark.django_db
def test_a_name_that_hides_something_says_so(
    alice: User, bob: User, admin_user: User, client_for: ClientFor
) -> None:
    aliases.create_alias(actor=admin_user, name="default", is_shared=True)
    create_provider(actor=alice, preset="echo", name="Mine")
    client = client_for(alice)

    def told(name: str, who: User = alice) -> str:
        return client_for(who).get("/providers/aliases/hint/", {"name": name}).text

    assert "your programs get yours instead" in told("default")
    assert "programs reach it as “Mine/echo”" in told("echo")
    assert told("other").strip() == told("echo", bob).strip() == ""
    shared = client_for(admin_user).get(
        "/providers/aliases/hint/", {"name": "echo", "is_shared": "on", "alias": "x"}
    )
    assert shared.text.strip() == ""
    form = {"name": "echo", "strategy": "order", "retries": "1"}
    url = client.post("/providers/aliases/new/", form).headers["Location"]
    for path in (url, f"{url}edit/"):
        assert "“Mine/echo”" in client.get(path).text
    pk = Alias.objects.get(owner=alice).pk
    hint = client.get("/providers/aliases/hint/", {"name": "default", "alias": pk}).text
    assert "your programs get yours" in hint
    assert client_for(bob).get(f"/providers/aliases/hint/?alias={pk}").status_code == 404


@pytest.mark.browser
def test_the_hint_comes_while_somebody_writes(
    transactional_db: None, alice: User, sign_in: Callable[[User], Any]
) -> None:
    create_provider(actor=alice, preset="echo", name="Mine")
    page = sign_in(alice)
    page.goto("/providers/aliases/new/")
    page.get_by_label("Name").fill("echo")
    page.get_by_text("A model has this id, too").wait_for()
    page.get_by_label("Name").fill("echoes")
    page.get_by_text("A model has this id, too").wait_for(state="detached")
