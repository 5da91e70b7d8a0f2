"""`POST /v1/embeddings`, in OpenAI's shape, for every dialect that has embeddings."""

import base64
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from time import monotonic
from typing import Any

from providers.adapters.answers import read_object
from providers.adapters.base import Embedder
from providers.adapters.openai import OpenAIAdapter, read_usage
from providers.errors import InvalidAnswer
from providers.gateway.authentication import Caller
from providers.gateway.calls import Attempt, answered
from providers.gateway.chat_request import read_json_body, read_model
from providers.gateway.core import Core
from providers.gateway.errors import bad_request
from providers.gateway.exchange import Exchange, json_bytes
from providers.gateway.records import Call
from providers.gateway.route import Route
from providers.models import Charged
from providers.registry import ADAPTERS
from providers.tokens import estimated_tokens
from providers.types import EmbeddingRequest, Usage

PASS_THROUGH = frozenset(("openai", "azure"))
FORMATS = ("float", "base64")


@dataclass(frozen=True)
class EmbeddingsBody:
    """`texts` is None where the input is token ids, which only OpenAI's dialect takes."""

    raw: dict[str, Any]
    model: str
    texts: Sequence[str] | None
    encoding_format: str
    dimensions: int | None

    @property
    def prompt_tokens(self) -> int:
        if self.texts is None:
            return _ids_in(self.raw["input"])
        return ceil(sum(estimated_tokens(text) for text in self.texts))

    def answer_tokens(self, route: Route) -> int:
        return 0

    def check(self, route: Route) -> None:
        route.check_type("embedding", code="model_not_embedding")
        if route.target.kind in PASS_THROUGH:
            return
        if self.texts is None:
            message = "This model takes texts; only providers of OpenAI's dialect take token ids."
            raise bad_request(message, param="input")
        if not hasattr(ADAPTERS[route.target.kind], "embed"):
            raise bad_request(
                "The provider of this model has no embeddings.", param="model", code="not_supported"
            )

    @property
    def count(self) -> int:
        """How many vectors are asked for."""
        if self.texts is not None:
            return len(self.texts)
        given = self.raw["input"]
        return len(given) if isinstance(given[0], list) else 1


def _ids_in(value: Any) -> int:
    return sum(len(each) if isinstance(each, list) else 1 for each in value)


def read_embeddings_body(raw: bytes) -> EmbeddingsBody:
    """Raises GatewayError (400)."""
    body = read_json_body(raw)
    model = read_model(body.get("model"))
    form = body.get("encoding_format")
    if form is not None and form not in FORMATS:
        message = "'encoding_format' must be 'float' or 'base64'."
        raise bad_request(message, param="encoding_format")
    dimensions = body.get("dimensions")
    is_count = isinstance(dimensions, int) and not isinstance(dimensions, bool) and dimensions > 0
    if dimensions is not None and not is_count:
        message = "'dimensions' must be a whole number of at least 1."
        raise bad_request(message, param="dimensions")
    return EmbeddingsBody(body, model, _texts(body.get("input")), form or "float", dimensions)


def _texts(value: Any) -> Sequence[str] | None:
    if isinstance(value, str) and value:
        return [value]
    if isinstance(value, list) and value:
        if all(isinstance(each, str) for each in value):
            return value
        if _are_ids(value) or all(isinstance(each, list) and _are_ids(each) for each in value):
            return None
    raise bad_request("'input' must be a text, or a list of texts or of token ids.", param="input")


def _are_ids(value: list[Any]) -> bool:
    is_id = [isinstance(each, int) and not isinstance(each, bool) for each in value]
    return bool(is_id) and all(is_id)


async def create_embeddings(core: Core, exchange: Exchange, caller: Caller) -> None:
    await answered(core, exchange, caller, read_embeddings_body, _attempt, kind=Charged.EMBEDDING)


async def _attempt(attempt: Attempt[EmbeddingsBody]) -> None:
    passes = attempt.target.kind in PASS_THROUGH
    await attempt.exchange.answer(await (_forwarded(attempt) if passes else _composed(attempt)))


async def _forwarded(attempt: Attempt[EmbeddingsBody]) -> bytes:
    target, adapter = attempt.target, ADAPTERS[attempt.target.kind]
    assert isinstance(adapter, OpenAIAdapter)
    body = attempt.body.raw | {"model": target.model_id}
    answer = await attempt.fetched(adapter.post(target, adapter.url(target, "embeddings"), body))
    found = read_object(answer)
    rows = found.get("data")
    if not isinstance(rows, list) or len(rows) != attempt.body.count:
        raise InvalidAnswer("not one vector for each input")
    note_input(attempt.call, read_usage(found.get("usage")))
    return answer


async def _composed(attempt: Attempt[EmbeddingsBody]) -> bytes:
    body, target = attempt.body, attempt.target
    adapter: Embedder = ADAPTERS[target.kind]  # type: ignore[assignment]
    request = adapter.embed(target, EmbeddingRequest(body.texts or (), dimensions=body.dimensions))
    found = adapter.read_embeddings(await attempt.fetched(request))
    if len(found.vectors) != body.count:
        raise InvalidAnswer("not one vector for each input")
    note_input(attempt.call, found.usage)
    rows = [
        {"object": "embedding", "index": index, "embedding": _encoded(vector, body.encoding_format)}
        for index, vector in enumerate(found.vectors)
    ]
    answer = {"object": "list", "data": rows, "model": attempt.route.model_id}
    return json_bytes(answer | {"usage": input_usage_body(attempt.call)})


def _encoded(vector: Sequence[float], form: str) -> Any:
    """base64 is of little-endian 32-bit floats. Raises InvalidAnswer for what is no number."""
    if form == "float":
        return vector
    try:
        packed = array("f", vector)
    except (TypeError, OverflowError) as error:
        raise InvalidAnswer("no numbers") from error
    if sys.byteorder == "big":
        packed.byteswap()
    return base64.b64encode(packed.tobytes()).decode()


def note_input(call: Call, usage: Usage | None) -> None:
    """A model that reads and says nothing: what it did not count is estimated."""
    call.first = monotonic()
    call.usage = replace(usage or Usage(), completion_tokens=0)


def input_usage_body(call: Call) -> Mapping[str, Any]:
    usage, is_estimated = call.final_usage()
    count = usage.prompt_tokens or 0
    body = {"prompt_tokens": count, "total_tokens": count}
    return body | ({"estimated": True} if is_estimated else {})
