"""Thoughts of every kind of provider: kept apart from the answer, timed, and never sent back."""

import json
from typing import Any

import pytest

from accounts.models import User
from chat import exporting, services
from chat.generation import generator
from chat.models import ChatSession
from providers.models import ProviderModel
from providers.services import create_provider
from providers.tests.conftest import replay
from providers.tests.stand_in import Replay
from providers.tests.wire import EXAMPLES, KINDS

__all__ = ["replay"]

pytestmark = pytest.mark.usefixtures("nobody_writes_titles")

# Tags in the text (cut anywhere, or only the closing one), a field of its own under three names,
# blocks of the answer, Ollama's field.
SOURCES = [
    *("odd_think_tags", "openai_reasoning", "odd_mistral_parts", "odd_openrouter_details"),
    *("odd_minimax_cumulative_details", "anthropic_thinking_tool", "ollama_thinking_tool"),
    *("gemini_thinking_tool", "responses_tool"),
]


def session_with(replay: Replay, mode: str, owner: User) -> ChatSession:
    kind = KINDS[EXAMPLES[mode]["dialect"]]
    provider = create_provider(
        actor=owner, kind=kind, name=kind, base_url=replay.url, api_key="sk-stored-key-12345"
    )
    model = ProviderModel.objects.create(
        provider=provider, model_id="m", name="m", types=["chat"], main_type="chat"
    )
    replay.mode = mode
    return services.create_session(owner=owner, model=model)


def ask(session: ChatSession, text: str) -> Any:
    answer = services.ask(session=session, actor=session.owner, content=text)
    assert generator.wait(10)
    answer.refresh_from_db()
    return answer


@pytest.mark.parametrize("mode", SOURCES)
def test_thoughts_are_kept_apart_and_never_sent_back(
    transactional_db: None, replay: Replay, alice: User, mode: str
) -> None:
    session = session_with(replay, mode, alice)
    answer, wanted = ask(session, "first question"), EXAMPLES[mode]["expect"]
    assert answer.thinking_content == wanted["reasoning"]
    assert answer.content == wanted["text"]
    assert answer.thinking_ms is not None
    ask(session, "second question")
    sent = json.dumps(replay.seen[-1], ensure_ascii=False)
    assert "first question" in sent and wanted["text"] in sent
    assert wanted["reasoning"] not in sent and "</think>" not in sent
    assert '"reasoning_content"' not in sent and '"thinking":' not in sent


def test_an_export_has_thoughts_only_if_wanted(
    transactional_db: None, replay: Replay, alice: User
) -> None:
    session = session_with(replay, "openai_reasoning", alice)
    ask(session, "what is it?")
    session.refresh_from_db()
    for kind in exporting.FORMATS:
        assert "two and two" in exporting.exported(session, kind, has_thoughts=True)
        assert "two and two" not in exporting.exported(session, kind, has_thoughts=False)
