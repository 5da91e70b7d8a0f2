"""What the chat API reads and writes."""

from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

from pydantic import AliasChoices, ConfigDict, Field

from chat.attachments import MAX_PER_MESSAGE
from chat.citing import said
from chat.importing import texts
from chat.material import BASES_MAX
from chat.models import Attachment, ChatImport, ChatSession, ChatShare, Message, MessageSource
from chat.models.folders import NAME_CHARS as FOLDER_NAME_CHARS
from chat.search.finding import Hit
from chat.showing import advice_of
from llmplatform.schemas import Amount, Answer, Schema, Str

PROMPT_MAX_CHARS = 50_000
BaseId = Annotated[int, Field(ge=1, le=2**53)]
SentFiles = Annotated[
    list[UUID],
    Field(max_length=MAX_PER_MESSAGE, description="Ids of `chat/attachments`, in this order."),
]


class Parameters(Schema):
    """OpenAI's names; what is left out is the model's default."""

    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1, le=10_000_000)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    seed: int | None = Field(None, ge=0, le=2**31 - 1)
    stop: list[Str] | None = Field(None, max_length=4)

    def given(self) -> dict[str, Any]:
        return self.model_dump(exclude_none=True)


class SessionIn(Schema):
    """`model_id`: a model's `id`, its `model_id`, or `provider/model_id`."""

    model_id: int | Str
    title: Str = Field("", max_length=200)
    system_prompt: Str = Field("", max_length=PROMPT_MAX_CHARS)
    parameters: Parameters | None = None
    folder_id: int | None = None
    knowledge_bases: list[BaseId] = Field([], max_length=BASES_MAX)


class SessionPatch(Schema):
    model_id: int | Str | None = None
    title: Str | None = Field(None, min_length=1, max_length=200)
    system_prompt: Str | None = Field(None, max_length=PROMPT_MAX_CHARS)
    parameters: Parameters | None = None
    is_pinned: bool | None = None
    is_archived: bool | None = None
    folder_id: int | None = Field(None, description="Null takes it out of its folder.")
    knowledge_bases: list[BaseId] | None = Field(
        None, max_length=BASES_MAX, description="Instead of those that it has."
    )


class SessionOut(Answer):
    id: UUID
    title: str
    model_id: int | None = Field(description="The model's `id`; null when it was deleted.")
    model: str | None
    system_prompt: str
    parameters: dict[str, Any]
    is_pinned: bool
    is_archived: bool
    folder_id: int | None
    knowledge_bases: list[int] = Field(
        validation_alias=AliasChoices("searched_bases", "knowledge_bases"),
        description="Ids of those that are searched.",
    )
    gone_knowledge_bases: list[str] = Field(
        description="Names of chosen ones that were deleted or are shared no more."
    )
    title_source: str = Field(description="Whose words the title is: question, model or person.")
    created_at: datetime
    updated_at: datetime

    @staticmethod
    def resolve_model(session: ChatSession) -> str | None:
        return str(session.model) if session.model else None


class HitOut(Answer):
    message_id: UUID
    snippet: str
    marks: list[tuple[int, int]] = Field(description="Start and end of each found word in it.")


class ListedSessionOut(SessionOut):
    hit: HitOut | None = Field(
        None, description="With `q`: the newest message with its words; null where the title has."
    )

    @classmethod
    def of(cls, hit: Hit) -> Self:
        listed = cls.from_orm(hit.chat)
        if hit.message_id is not None and hit.snippet is not None:
            marks = list(hit.snippet.marks)
            listed.hit = HitOut(message_id=hit.message_id, snippet=hit.snippet.text, marks=marks)
        return listed


class FolderIn(Schema):
    name: Str = Field(min_length=1, max_length=FOLDER_NAME_CHARS)


class FolderOut(Answer):
    id: int
    name: str
    created_at: datetime


class DeletedOut(Answer):
    id: UUID
    title: str
    deleted_at: datetime
    updated_at: datetime


class MessageIn(Schema):
    model_config = ConfigDict(str_strip_whitespace=False)

    content: Str = Field(max_length=200_000, description="May be empty beside attachments.")
    stream: bool = False
    attachments: SentFiles = []


class ErrorOut(Answer):
    code: str
    message: str


class AttachmentOut(Answer):
    id: UUID
    kind: str = Field(description="`image` or `text`.")
    name: str
    media_type: str
    size_bytes: int
    width: int | None
    height: int | None
    created_at: datetime


class SourceOut(Answer):
    number: int = Field(description="As the answer cites it: [1].")
    knowledge_base_id: int | None = Field(
        validation_alias="base_id", description="Null when it was deleted."
    )
    knowledge_base: str = Field(validation_alias="base_name")
    document_id: int | None = Field(description="Null when it was deleted, or is one of Dify.")
    document: str = Field(validation_alias="document_name")
    content: str = Field(validation_alias="text")
    page: int | None
    headings: list[str]
    start: int = Field(description="In characters of the document's text, as `end`.")
    end: int
    score: float
    is_cited: bool = Field(description="Known when the answer has ended.")


class RemarkOut(Answer):
    code: str = Field(
        description="`nothing_found`, `not_searched`, `no_room`, `unavailable`, `words_only`, "
        "`no_model`, `not_ready` or `rerank_failed`."
    )
    message: str
    knowledge_base: str = Field(description="Empty where it is about all of them.")


class ClaimOut(Answer):
    start: int = Field(description="In characters of the content, as `end`.")
    end: int
    support: float


class Grounded(Answer):
    """What an answer rests on."""

    sources: list[SourceOut] = Field(description="Of an answer, by number.")
    remarks: list[RemarkOut]
    unsupported: list[ClaimOut] = Field(description="Sentences that are not found in the sources.")

    @staticmethod
    def resolve_sources(message: Message) -> list[MessageSource]:
        return [] if message.is_question else list(message.sources.all())

    @staticmethod
    def resolve_remarks(message: Message) -> list[dict[str, str]]:
        return [
            {"code": each["code"], "message": said(each), "knowledge_base": each["base_name"]}
            for each in message.remarks
        ]

    @staticmethod
    def resolve_unsupported(message: Message) -> list[dict[str, float]]:
        names = ("start", "end", "support")
        return [dict(zip(names, claim, strict=True)) for claim in message.claims]


class MessageOut(Grounded):
    id: UUID
    session_id: UUID
    parent_id: UUID | None
    position: int
    role: str
    content: str
    thinking_content: str
    thinking_ms: int | None
    status: str
    model: str = Field(validation_alias="model_label")
    model_version_id: int | None = Field(
        description="Of `training/models`, where a model trained here answered."
    )
    tokens: int | None = Field(description="Prompt and completion; null when unknown.")
    prompt_tokens: int | None
    completion_tokens: int | None
    is_estimated: bool = Field(description="The provider did not count; we did, roughly.")
    cost: Amount | None = Field(description="In `currency`; null when unknown.")
    currency: str
    tokens_per_second: float | None
    ttft_ms: int | None
    duration_ms: int | None
    finish_reason: str
    error: ErrorOut | None
    attachments: list[AttachmentOut] = Field(description="Of a question, in their order.")
    created_at: datetime

    @staticmethod
    def resolve_attachments(message: Message) -> list[Attachment]:
        # Answers have none, and are shown where the database may not be asked.
        return list(message.attachments.all()) if message.is_question else []

    @staticmethod
    def resolve_tokens(message: Message) -> int | None:
        counts = (message.prompt_tokens, message.completion_tokens)
        return None if None in counts else sum(count or 0 for count in counts)

    @staticmethod
    def resolve_error(message: Message) -> dict[str, str] | None:
        code = message.error_code
        return {"code": code, "message": advice_of(code)} if code else None


class StopOut(Answer):
    stopped: int


class ImportedChatOut(Answer):
    title: str
    messages: int
    at: datetime | None
    state: str = Field(description="`new`, `grown` (gets what was said since), or `known`.")
    source: str = Field(description="`chatgpt`, `openwebui` or `own`.")


class SkippedChatOut(Answer):
    title: str
    part: str = Field(description="Of a ZIP, the file it stands in.")
    line: int
    code: str
    message: str


class ImportOut(Answer):
    id: UUID
    file_name: str
    size_bytes: int
    status: str = Field(description="`queued`, `running`, `ready`, `done` or `failed`.")
    is_started: bool
    percent: int
    counts: dict[str, int]
    listed: list[ImportedChatOut] = Field(description="The first 200.")
    skipped: list[SkippedChatOut] = Field(description="The first 200.")
    error: ErrorOut | None
    created_at: datetime
    finished_at: datetime | None

    @staticmethod
    def resolve_skipped(row: ChatImport) -> list[dict[str, Any]]:
        return [
            {**each, "message": texts.reason(each["code"], each["values"])} for each in row.skipped
        ]

    @staticmethod
    def resolve_error(row: ChatImport) -> dict[str, str] | None:
        if not row.error_code:
            return None
        return {"code": row.error_code, "message": texts.problem(row.error_code, row.error_values)}


class ShareIn(Schema):
    session_id: UUID
    has_system_prompt: bool = False
    has_thoughts: bool = True
    readers: list[Str] | None = Field(
        None,
        max_length=100,
        description="E-mail addresses of those who alone may read it with the link; empty: whoever "
        "is signed in; left out: as it was, at first whoever is signed in.",
    )


class ShareOut(Answer):
    id: UUID = Field(description="The link: `/chat/shared/<id>/`.")
    session_id: UUID
    is_for_all: bool = Field(description="Whoever is signed in may read it; else the `readers`.")
    readers: list[str] = Field(description="E-mail addresses.")
    has_system_prompt: bool
    has_thoughts: bool
    created_at: datetime
    updated_at: datetime = Field(description="What readers see is of then.")

    @staticmethod
    def resolve_readers(row: ChatShare) -> list[str]:
        return list(row.readers.values_list("email", flat=True))


class SharedMessageOut(Grounded):
    id: UUID
    role: str
    content: str
    thinking_content: str
    model: str = Field(validation_alias="model_label")
    attachments: list[AttachmentOut]
    created_at: datetime

    @staticmethod
    def resolve_attachments(message: Message) -> list[Attachment]:
        return list(message.attachments.all()) if message.is_question else []


class SharedChatOut(Answer):
    id: UUID
    title: str
    shared_by: str
    updated_at: datetime
    system_prompt: str = Field(description="Empty unless its owner shows it.")
    messages: list[SharedMessageOut]
