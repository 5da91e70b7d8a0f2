"""Simon Willison's `llm`, set up by its own configuration file, against the gateway."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import llm
import pytest
import yaml
from click.testing import CliRunner
from llm.cli import cli

from providers.models import Provider, ProviderModel
from providers.tests.conftest import MakeKey
from providers.tests.stand_in import Replay, StandIn


@pytest.fixture
def configured(
    live_url: str, make_key: MakeKey, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> str:
    """`llm` knows the models `echo` and `m`; gives the key."""
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path))
    monkeypatch.setenv("OPENAI_BASE_URL", f"{live_url}/v1")
    common = {"api_base": f"{live_url}/v1", "api_key_name": "platform", "supports_tools": True}
    common["supports_schema"] = True
    models = [{"model_id": f"p-{name}", "model_name": name} | common for name in ("echo", "m")]
    (tmp_path / "extra-openai-models.yaml").write_text(yaml.safe_dump(models))
    return make_key()


def test_it_asks_and_streams(configured: str, echo: Provider) -> None:
    model = llm.get_model("p-echo")
    for is_stream in (False, True):
        answer: Any = model.prompt("one two three four", key=configured, stream=is_stream)
        pieces = list(answer)
        assert "".join(pieces) == "one two three four"
        assert (len(pieces) > 1) == is_stream
        assert answer.usage().output > 0


def test_its_command_works(configured: str, echo: Provider) -> None:
    arguments = ["-m", "p-echo", "--key", configured, "hello there"]
    result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and result.output.strip() == "hello there"


@pytest.mark.parametrize("is_stream", [False, True])
def test_it_calls_tools(
    configured: str, remote: Provider, stand_in: StandIn, is_stream: bool
) -> None:
    def weather(city: str) -> str:
        """Weather of a city"""
        return "8 degrees"

    stand_in.mode = "tools"
    tools = [llm.Tool.function(weather, name="Weather")]
    answer: Any = llm.get_model("p-m").prompt(
        "Weather in Bern?", key=configured, stream=is_stream, tools=tools
    )
    [call] = answer.tool_calls()
    assert (call.name, call.arguments) == ("Weather", {"city": "Bern"})


def test_it_gets_structured_output(configured: str, echo: Provider) -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    model = llm.get_model("p-echo")
    answer: Any = model.prompt('{"city": "Bern"}', key=configured, schema=schema, stream=False)
    assert json.loads(answer.text()) == {"city": "Bern"}


def test_it_needs_counts_in_every_whole_answer(
    configured: str, remote: Provider, stand_in: StandIn
) -> None:
    """So an answer whose provider counts nothing gets an estimate."""
    stand_in.mode = "bare"
    answer: Any = llm.get_model("p-m").prompt("hello there", key=configured, stream=False)
    assert answer.text() == "hi" and answer.usage().input > 0


def test_it_embeds(configured: str, replayed: Callable[..., Provider], replay: Replay) -> None:
    replayed("openai", "embedding")
    ProviderModel.objects.update(model_id="text-embedding-3-small")
    replay.mode = "openai_embeddings"
    model: Any = llm.get_embedding_model("3-small")
    model.key = configured
    first, second = model.embed_multi(["a", "b"])
    assert first == pytest.approx([0.1, 0.2]) and second == pytest.approx([0.3, 0.4])
