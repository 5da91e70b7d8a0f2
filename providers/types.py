"""What goes to a model and what comes back, whatever the provider speaks. Pure values."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True)
class ToolCall:
    """`arguments` is JSON text, as OpenAI has it."""

    id: str
    name: str
    arguments: str = "{}"


@dataclass(frozen=True)
class ProviderState:
    """What a provider wants back with an assistant message and nobody else may see or read:
    signatures of thoughts, thoughts of a tool loop, a conversation's id.

    `data` is JSON in the form its dialect chose; `family` is `model_family` of the model.
    """

    kind: str
    provider_id: int | None
    family: str
    data: Mapping[str, Any]

    def is_for(self, target: "Target") -> bool:
        """Only the provider and the model family that said it get it back."""
        mine = (self.kind, self.provider_id, self.family)
        return mine == (target.kind, target.provider_id, model_family(target.model_id))


@dataclass(frozen=True)
class ChatMessage:
    """`images` are https or data URLs; `tool_call_id` says which call a "tool" message answers."""

    role: str
    content: str
    images: tuple[str, ...] = ()
    tool_calls: tuple[ToolCall, ...] = ()
    tool_call_id: str = ""
    state: ProviderState | None = None


@dataclass(slots=True)
class ChatRequest:
    """`parameters` are OpenAI's names (temperature, max_tokens, stop, tools, tool_choice,
    response_format, reasoning_effort, …); `messages` that are mappings have OpenAI's shape, and may
    carry a ProviderState as `provider_state`. `uploaded`: files that lie at the provider already,
    as its dialect names them; never what a caller says.
    """

    model: str
    messages: Sequence[ChatMessage | Mapping[str, Any]]
    parameters: Mapping[str, Any] = field(default_factory=dict)
    is_stream: bool = True
    uploaded: Sequence[Mapping[str, Any]] = ()


@dataclass(slots=True)
class HttpRequest:
    """What an adapter wants sent; the transport adds nothing but the connection."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True)
class TextDelta:
    text: str


@dataclass(frozen=True)
class ThinkingDelta:
    text: str


@dataclass(frozen=True)
class TextReplaced:
    """`text` takes the place of all text so far: a moderator's work."""

    text: str


@dataclass(frozen=True)
class ToolCallDelta:
    """A piece of call `index`. The id and the name come whole with its first piece; `arguments`
    is the next piece of its JSON text."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""


@dataclass(slots=True)
class Usage:
    """Tokens; None means that the provider did not say, never zero. The last one of an answer
    counts; they are never added up.

    `prompt_tokens` include cached ones and those written to the cache, `completion_tokens` include
    reasoning. `unsplit_tokens`: the provider's total, where it does not say both of them.
    `cost` is what the provider itself charges, in `currency` (USD where it is empty).
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    reasoning_tokens: int | None = None
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    unsplit_tokens: int | None = None
    cost: Decimal | None = None
    currency: str = ""

    @property
    def total_tokens(self) -> int | None:
        if self.prompt_tokens is None or self.completion_tokens is None:
            return self.unsplit_tokens
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class Finish:
    """`reason`: stop, length, tool_calls, content_filter, pause, error or the provider's own word
    where it is none of these; `stated` is always its own word."""

    reason: str
    stated: str = field(default="", compare=False)


@dataclass(frozen=True)
class Citation:
    """A passage the answer rests on, found by an application behind the provider."""

    title: str
    text: str
    score: float | None = None


@dataclass(frozen=True)
class AgentStep:
    """What an agent behind the provider did. The same id comes again with more: replace it."""

    id: str
    thought: str = ""
    tool: str = ""
    tool_input: str = ""
    observation: str = ""


@dataclass(frozen=True)
class LinkedFile:
    """`type`: image, document, audio, video or custom. The link may expire."""

    id: str
    type: str
    url: str


@dataclass(frozen=True)
class Outputs:
    """The named results of a workflow."""

    values: Mapping[str, Any]


@dataclass(slots=True)
class Said:
    """What a model has said so far. NUL, which no database keeps, is left out."""

    text: str = ""
    thoughts: str = ""

    def take(self, event: "Event") -> None:
        if isinstance(event, TextDelta):
            self.text += event.text.replace("\x00", "")
        elif isinstance(event, TextReplaced):
            self.text = event.text.replace("\x00", "")
        elif isinstance(event, ThinkingDelta):
            self.thoughts += event.text.replace("\x00", "")


Spoken = TextDelta | ThinkingDelta | TextReplaced | ToolCallDelta
Event = Spoken | Usage | Finish | ProviderState | Citation | AgentStep | LinkedFile | Outputs


@dataclass(frozen=True)
class EmbeddingRequest:
    """`purpose`: "document" or "query" where it matters, or empty; `dimensions` None: the model's
    own."""

    texts: Sequence[str]
    purpose: str = ""
    dimensions: int | None = None


@dataclass(frozen=True)
class Embeddings:
    """`vectors`: n_texts x dimension, in the order of the texts."""

    vectors: list[list[float]]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class RerankRequest:
    """`top_n` None: all documents."""

    query: str
    documents: Sequence[str]
    top_n: int | None = None


@dataclass(frozen=True)
class Ranked:
    """`index` points into the documents of the request; scores are the model's own scale."""

    index: int
    score: float


@dataclass(frozen=True)
class Ranking:
    """`rows`: best first."""

    rows: list[Ranked]
    usage: Usage = field(default_factory=Usage)


@dataclass(frozen=True)
class ListedModel:
    """One row of a provider's model list, with the types that were detected and why.

    `supports_tools` None: the provider does not say.
    """

    model_id: str
    types: tuple[str, ...]
    context_tokens: int | None = None
    evidence: str = "name"
    name: str = ""
    output_tokens: int | None = None
    supports_tools: bool | None = None
    dimension: int | None = None


@dataclass(frozen=True)
class Profile:
    """How a provider differs from others of its dialect: data that an administrator can edit.

    `auth`: see providers.auth; empty is the dialect's own way. `max_tokens_field` renames the
    limit. `paths` replace those of the dialect ("chat", "embeddings", "rerank", "models"), relative
    or whole. `thinking`: how a thought is asked for, "" or "adaptive" (new Anthropic models).
    `starts_in_think`: the chat template wrote the opening tag, the answer only closes it.
    `app_mode`: what a Dify application is. `embedding_batch`: how many texts it takes at once, 0
    where nothing is known.
    """

    auth: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, str] = field(default_factory=dict)
    api_version: str = ""
    max_tokens_field: str = ""
    include_usage: bool = True
    thinking: str = ""
    starts_in_think: bool = False
    app_mode: str = "chat"
    embedding_batch: int = 0


@dataclass(frozen=True)
class ClientCredentials:
    """OAuth2 (RFC 6749, 4.4). `style`: "basic" as the RFC prefers, "body", or "query" (Baidu)."""

    token_url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""
    style: str = "basic"


@dataclass(frozen=True)
class Patience:
    """Seconds to connect, of silence in a stream or before it, and for a whole answer; `retries`:
    how often a call that failed before its answer began is sent again."""

    connect_s: float = 10
    read_s: float = 120
    answer_s: float = 600
    retries: int = 0


USUAL_PATIENCE = Patience()


@dataclass(frozen=True)
class Target:
    """Everything a call needs, read from the database before it, so that none is held during it.

    `extra_body` is merged into every chat body and `drop_params` are left out of it: how an
    administrator follows a provider's change without a release. With `oauth` the key is a token
    that `providers.access_tokens` fills in. `stand_ins` answer in its place where it does not.
    `end_user`: who asks, for providers that keep something of each (Dify).
    """

    kind: str
    base_url: str
    api_key: str = field(repr=False)
    model_id: str
    is_managed: bool
    provider_id: int | None = None
    provider_name: str = ""
    model_pk: int | None = None
    defaults: Mapping[str, Any] = field(default_factory=dict)
    profile: Profile = field(default_factory=Profile)
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    drop_params: Sequence[str] = ()
    oauth: ClientCredentials | None = None
    patience: Patience = USUAL_PATIENCE
    stand_ins: Sequence["Target"] = ()
    end_user: str = ""

    def asked_by(self, user_id: int) -> "Target":
        return replace(self, end_user=f"llmplatform-{user_id}")

    def streamed(
        self, messages: Sequence[ChatMessage], parameters: Mapping[str, Any]
    ) -> ChatRequest:
        """A question whose answer is streamed; `parameters` come before the model's defaults."""
        return ChatRequest(self.model_id, messages, {**self.defaults, **parameters}, is_stream=True)


def model_family(model_id: str) -> str:
    """The name up to its first number: what one model signed, its family understands."""
    return re.match(r"\D*\d*", model_id.rsplit("/", 1)[-1])[0]  # type: ignore[index]
