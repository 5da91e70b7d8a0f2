"""Applications and knowledge bases of Dify, over HTTP."""

import asyncio
import base64
import time
from collections.abc import Callable
from contextlib import aclosing
from typing import Any

import httpx
import pytest

from accounts.models import User, UserLimits
from providers.dify.client import app_info, app_parameters
from providers.dify.running import InputFile, Outcome, Run, finished, run_app
from providers.errors import ProviderError
from providers.models import CallRecord, Provider
from providers.services import (
    adify_retrieve,
    change_provider,
    check_connection,
    create_provider,
    dify_datasets,
    dify_retrieve,
    refresh_models,
    resolve_chat_target,
    send_feedback,
    stream_chat,
)
from providers.tests.conftest import MakeKey
from providers.tests.dify_server import FORM, KNOWLEDGE_KEY, DifyServer, Refused
from providers.types import (
    AgentStep,
    ChatMessage,
    Citation,
    Event,
    LinkedFile,
    Outputs,
    ProviderState,
    Said,
)

Connect = Callable[..., Provider]
PICTURE = "data:image/png;base64," + base64.b64encode(b"a picture").decode()

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def connect(dify: DifyServer, alice: User) -> Connect:
    def make(mode: str, *, owner: User = alice, **fields: Any) -> Provider:
        provider = create_provider(
            actor=owner, preset="dify", base_url=dify.url, api_key=dify.app(mode).key, **fields
        )
        refresh_models(provider=provider, actor=owner)
        return provider

    return make


def events_of(
    provider: Provider, person: User, *messages: ChatMessage, **given: Any
) -> list[Event]:
    model = provider.models.get()

    async def collect() -> list[Event]:
        target = await asyncio.to_thread(resolve_chat_target, user=person, model_pk=model.pk)
        async with aclosing(stream_chat(target, target.streamed(messages, given))) as events:
            return [event async for event in events]

    return asyncio.run(collect())


async def told(dify: DifyServer) -> None:
    async with asyncio.timeout(10):
        while not dify.stopped:
            await asyncio.sleep(0.02)


def text_of(events: list[Event]) -> str:
    said = Said()
    for event in events:
        said.take(event)
    return said.text


def ask(text: str, *images: str) -> ChatMessage:
    return ChatMessage("user", text, images)


@pytest.mark.parametrize("mode", ["chat", "agent-chat", "agent", "advanced-chat"])
def test_a_conversation_goes_on(dify: DifyServer, connect: Connect, alice: User, mode: str) -> None:
    provider = connect(mode)
    assert provider.app_mode == mode
    first = events_of(provider, alice, ask("hi"))
    [state] = [event for event in first if isinstance(event, ProviderState)]
    answer = ChatMessage("assistant", text_of(first), state=state)
    second = events_of(provider, alice, ask("hi"), answer, ask("and then"))
    assert (text_of(first), text_of(second)) == ("Answer 1 to hi", "Answer 2 to and then")
    assert [call.body["query"] for call in dify.called("/chat-messages")] == ["hi", "and then"]
    assert len(dify.conversations) == 1
    assert next(event for event in first if isinstance(event, Citation)).title == "manual.md"
    steps = {event.id: event for event in first if isinstance(event, AgentStep)}
    if mode.startswith("agent"):
        assert steps["th1"].observation == '{"c": 11}'
        assert any(isinstance(event, LinkedFile) for event in first)


def test_CVE_2026_41949_ids_of_others_open_nothing(
    dify: DifyServer, connect: Connect, alice: User, bob: User, admin_user: User
) -> None:
    """Neither a conversation nor (CVE-2026-41950) a file of somebody else."""
    shared = connect("chat", owner=admin_user, is_shared=True)
    events = events_of(shared, alice, ask("a secret"))
    [conversation] = dify.conversations
    with pytest.raises(ProviderError):
        events_of(shared, bob, ask("which secret"), conversation_id=conversation)
    with pytest.raises(ProviderError):
        mine = f"llmplatform-{alice.pk}"
        events_of(shared, bob, ask("which"), conversation_id=conversation, user=mine)
    assert text_of(events) and len(dify.conversations) == 1
    events_of(shared, alice, ask("what is it", PICTURE))
    [file_id] = dify.files
    picture = {"type": "image", "transfer_method": "local_file", "upload_file_id": file_id}
    events_of(shared, bob, ask("which"), files=[picture])
    assert "files" not in dify.calls[-1].body, "no caller names files"
    with pytest.raises(ProviderError):
        events_of(shared, bob, ask("which"), inputs={"picture": picture})


def test_a_stop_reaches_dify(dify: DifyServer, connect: Connect, alice: User) -> None:
    dify.is_held = True
    for mode in ("chat", "completion", "workflow"):
        provider = connect(mode, name=mode)
        model = provider.models.get()

        async def stopped(model_pk: int = model.pk) -> None:
            target = await asyncio.to_thread(resolve_chat_target, user=alice, model_pk=model_pk)
            async with aclosing(stream_chat(target, target.streamed([ask("hi")], {}))) as events:
                async for _event in events:
                    break
            await told(dify)

        asyncio.run(stopped())
        assert dify.stopped.pop()[1] == f"llmplatform-{alice.pk}"


def test_a_caller_of_the_gateway_who_leaves_stops_it(
    live_url: str, dify: DifyServer, connect: Connect, make_key: MakeKey
) -> None:
    connect("chat", name="guide")
    dify.is_held = True
    body = {"model": "guide/Travel guide", "stream": True}
    body |= {"messages": [{"role": "user", "content": "hi"}]}
    headers = {"authorization": f"Bearer {make_key()}"}
    url = f"{live_url}/v1/chat/completions"
    with httpx.stream("POST", url, json=body, headers=headers, timeout=20) as stream:
        assert stream.status_code == 200
        next(stream.iter_lines())
    for _attempt in range(400):
        if dify.stopped:
            break
        time.sleep(0.02)
    assert dify.stopped


def test_images_are_laid_there(dify: DifyServer, connect: Connect, alice: User) -> None:
    dify.app("chat", takes_images=True)
    provider = connect("chat")
    assert provider.models.get().types == ["chat", "vision"]
    link = "https://example.com/a.png"
    assert text_of(events_of(provider, alice, ask("what is it", PICTURE, link)))
    [call] = dify.called("/chat-messages")
    [laid, linked] = call.body["files"]
    assert (laid["type"], laid["transfer_method"]) == ("image", "local_file")
    assert linked == {"type": "image", "transfer_method": "remote_url", "url": link}
    kept = dify.files[laid["upload_file_id"]]
    assert kept["content"] == b"a picture" and kept["kind"] == "image/png"
    assert kept["user"] == call.body["user"]


def test_a_caller_of_the_gateway_sends_an_image(
    live_url: str, dify: DifyServer, connect: Connect, make_key: MakeKey
) -> None:
    dify.app("chat", takes_images=True)
    connect("chat", name="guide")
    parts = [{"type": "text", "text": "what"}, {"type": "image_url", "image_url": {"url": PICTURE}}]
    headers = {"authorization": f"Bearer {make_key()}"}
    for is_stream in (False, True):
        body = {"model": "guide/Travel guide", "stream": is_stream}
        body |= {"messages": [{"role": "user", "content": parts}], "user": "someone"}
        answer = httpx.post(f"{live_url}/v1/chat/completions", json=body, headers=headers)
        assert answer.status_code == 200 and "Answer " in answer.text
        [laid] = dify.calls[-1].body["files"]
        kept = dify.files[laid["upload_file_id"]]
        assert kept["user"] == dify.calls[-1].body["user"]
        assert kept["user"].startswith("llmplatform-") and kept["user"].endswith("/someone")


def test_a_file_that_dify_refuses(dify: DifyServer, connect: Connect, alice: User) -> None:
    provider = connect("chat")
    dify.failures["/files/upload"] = Refused(413, "file_too_large")
    with pytest.raises(ProviderError) as error:
        events_of(provider, alice, ask("what is it", PICTURE))
    assert error.value.code == "too_large" and not dify.called("/chat-messages")


def test_inputs_of_the_connection_and_of_the_call(
    dify: DifyServer, connect: Connect, alice: User
) -> None:
    dify.app("chat", form=FORM)
    provider = connect("chat", extra_body={"inputs": {"city": "Bern", "tone": "formal"}})
    events_of(provider, alice, ask("hi"))
    events_of(provider, alice, ask("hi"), inputs={"tone": "friendly"})
    first, second = (call.body["inputs"] for call in dify.called("/chat-messages"))
    assert first == {"city": "Bern", "tone": "formal"}
    assert second == {"city": "Bern", "tone": "friendly"}


def test_thumbs_reach_dify(dify: DifyServer, connect: Connect, alice: User) -> None:
    provider = connect("chat")
    [state] = [e for e in events_of(provider, alice, ask("hi")) if isinstance(e, ProviderState)]
    message_id = str(state.data["message_id"])
    send_feedback(provider=provider, user=alice, message_id=message_id, rating="like", content="!")
    send_feedback(provider=provider, user=alice, message_id=message_id, rating=None)
    assert [(which, body["rating"]) for which, body in dify.feedbacks] == [
        (message_id, "like"),
        (message_id, None),
    ]
    assert dify.feedbacks[0][1]["user"] == f"llmplatform-{alice.pk}"
    with pytest.raises(ProviderError):
        dify.failures["/messages"] = Refused(404, "not_found")
        send_feedback(provider=provider, user=alice, message_id="x/../y", rating="dislike")


def test_what_an_application_says_of_itself(dify: DifyServer, connect: Connect) -> None:
    dify.app("workflow", form=[*FORM, {"strange": {"variable": "new", "label": "New"}}, "x"])
    provider = connect("workflow")
    info = app_info(provider)
    assert (info.name, info.mode, info.description) == ("Travel guide", "workflow", "Plans trips")
    found = app_parameters(provider)
    kinds = [(field.variable, field.kind) for field in found.fields]
    assert kinds == [
        *(("city", "text-input"), ("notes", "paragraph"), ("tone", "select")),
        *(("days", "number"), ("picture", "file"), ("new", "paragraph")),
    ]
    assert found.fields[0].is_required and found.fields[0].max_chars == 48
    assert found.opening_statement and found.suggested_questions == ("To Bern", "To Basel")
    count = len(dify.calls)
    assert app_parameters(provider) == found and len(dify.calls) == count, "kept for a moment"


def run(provider: Provider, user: User, **given: Any) -> Outcome:
    return asyncio.run(finished(Run(provider=provider, user=user, **{"inputs": {}, **given})))


def test_a_workflow_runs(dify: DifyServer, connect: Connect, alice: User) -> None:
    dify.app("workflow", form=FORM)
    provider = connect("workflow")
    picture = InputFile("picture", 'my "cat".png', "image/png", b"cat")
    outcome = run(provider, alice, inputs={"city": "Bern", "days": 3}, files=[picture])
    assert not outcome.error_code and outcome.is_over
    assert outcome.said.text.startswith("Bern {") and outcome.outputs["days"] == 3
    [call] = dify.called("/workflows/run")
    assert call.body["inputs"]["picture"]["transfer_method"] == "local_file"
    [kept] = dify.files.values()
    assert kept["name"] == "my cat.png" and kept["content"] == b"cat"
    row = CallRecord.objects.get()
    assert (row.user, row.source, row.status) == (alice, "dify", "done")
    assert row.model == provider.models.get() and row.prompt_tokens is not None


def test_a_text_generator_runs(dify: DifyServer, connect: Connect, alice: User) -> None:
    outcome = run(connect("completion"), alice, inputs={"city": "Bern"})
    assert outcome.said.text == 'Bern {"city": "Bern"}' and outcome.citations
    row = CallRecord.objects.get()
    assert (str(row.cost), row.currency, row.prompt_tokens) == ("0.0000380000", "USD", 30)


@pytest.mark.parametrize(
    ("ending", "code"), [("failed", "unavailable"), ("error", "no_money"), ("paused", "")]
)
def test_how_a_run_ends(
    dify: DifyServer, connect: Connect, alice: User, ending: str, code: str
) -> None:
    dify.ending = ending
    outcome = run(connect("workflow"), alice)
    assert outcome.error_code == code and outcome.is_paused == (ending == "paused")
    assert outcome.said.text, "what came before stays"
    assert CallRecord.objects.get().error_code == code


def test_a_run_that_nobody_waits_for_is_stopped(
    dify: DifyServer, connect: Connect, alice: User
) -> None:
    provider = connect("workflow")
    dify.is_held = True

    async def leave() -> None:
        async with aclosing(run_app(Run(provider, alice, {}), Outcome())) as events:
            async for _event in events:
                break
        await told(dify)

    asyncio.run(leave())
    assert CallRecord.objects.get().status == "stopped"


def test_runs_count_for_budgets(dify: DifyServer, connect: Connect, alice: User) -> None:
    provider = connect("workflow")
    UserLimits.objects.create(user=alice, budget_day_usd=0)
    assert run(provider, alice).error_code == "budget_exceeded"
    assert not dify.called("/workflows/run")


@pytest.fixture
def knowledge(dify: DifyServer, alice: User) -> Provider:
    return create_provider(
        actor=alice, preset="dify", name="K", base_url=dify.url, api_key=KNOWLEDGE_KEY
    )


def test_knowledge_bases_are_listed(dify: DifyServer, knowledge: Provider) -> None:
    assert knowledge.app_mode == "knowledge"
    first, second = dify_datasets(knowledge)
    assert (first.id, first.name, first.document_count) == ("d1", "Manual", 3)
    assert first.is_searchable and not second.is_searchable
    assert [each.id for each in dify_datasets(knowledge, keyword="price")] == ["d2"]
    dify.datasets = {str(number): f"Base {number}" for number in range(230)}
    assert len(dify_datasets(knowledge)) == 230


def test_passages_are_found(dify: DifyServer, knowledge: Provider) -> None:
    passages = dify_retrieve(knowledge, dataset_id="d1", query="x" * 400, top_k=2)
    assert [each.score for each in passages] == [0.75, 0.5]
    first = passages[0]
    assert first.content == "Passage 1 of d1\n\nTwo years."
    assert (first.document_name, first.document_id, first.dataset_id, first.segment_id) == (
        *("manual.md", "doc1", "d1"),
        "d1-s1",
    )
    asked = dify.calls[-1].body
    assert len(asked["query"]) == 250 and asked["retrieval_model"]["reranking_enable"] is False
    few = asyncio.run(
        adify_retrieve(
            knowledge,
            dataset_id="d1",
            query="q",
            search_method="hybrid_search",
            top_k=9,
            score_threshold=0.6,
        )
    )
    assert [each.score for each in few] == [0.75]
    assert dify.calls[-1].body["retrieval_model"]["search_method"] == "hybrid_search"


@pytest.mark.parametrize(
    ("refusal", "code"),
    [
        (Refused(401, "unauthorized"), "authentication"),
        (Refused(403, "forbidden"), "forbidden"),
        (Refused(404, "not_found"), "no_such_knowledge"),
        (Refused(400, "dataset_not_initialized"), "bad_request"),
        (Refused(429, "too_many_requests"), "rate_limited"),
        (Refused(500, "internal_server_error"), "unavailable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals_of_knowledge(
    dify: DifyServer, knowledge: Provider, refusal: Refused, code: str
) -> None:
    dify.failures["/datasets"] = refusal
    with pytest.raises(ProviderError) as error:
        dify_retrieve(knowledge, dataset_id="d1", query="q")
    assert error.value.code == code


def test_each_key_opens_its_own(
    dify: DifyServer, connect: Connect, knowledge: Provider, alice: User
) -> None:
    app = connect("chat")
    with pytest.raises(ProviderError) as error:
        dify_datasets(app)
    assert error.value.code == "not_supported"
    assert refresh_models(provider=knowledge, actor=alice).is_empty
    assert check_connection(knowledge).ok and not knowledge.models.exists()
    mine = Provider.objects.for_user(alice)
    assert [*mine.apps()] == [app] and [*mine.outside_knowledge()] == [knowledge]
    change_provider(provider=knowledge, actor=alice, api_key=dify.app("workflow").key)
    assert check_connection(knowledge).ok and knowledge.app_mode == "workflow"


def test_outputs_of_a_workflow_are_events(dify: DifyServer, connect: Connect, alice: User) -> None:
    events = events_of(connect("workflow"), alice, ask("ignored"))
    assert [event for event in events if isinstance(event, Outputs)]
