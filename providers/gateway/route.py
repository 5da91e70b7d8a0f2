"""One model of one provider, as the gateway calls it."""

from dataclasses import dataclass
from functools import cached_property
from urllib.parse import quote

from providers.gateway.errors import bad_request
from providers.types import Target

NO_CHAT = frozenset(
    ("embedding", "rerank", "moderation", "stt", "tts", "realtime", "video", "image")
)


@dataclass(frozen=True)
class Route:
    """Everything a call needs."""

    target: Target
    main_type: str
    types: tuple[str, ...]
    system_prompt: str
    owner_id: int | None
    created: int

    @cached_property
    def model_pk(self) -> int:
        assert self.target.model_pk is not None
        return self.target.model_pk

    @cached_property
    def chats(self) -> bool:
        return self.main_type not in NO_CHAT

    @cached_property
    def model_id(self) -> str:
        return self.target.model_id

    @cached_property
    def qualified(self) -> str:
        return f"{self.target.provider_name}/{self.target.model_id}"

    @property
    def unique(self) -> str:
        return f"{self.target.provider_name}#{self.target.provider_id}/{self.target.model_id}"

    @cached_property
    def header(self) -> str:
        """`qualified` as an ASCII header value."""
        return quote(self.qualified, safe=" !#$&'()*+,-./:;=?@[]^_`{|}~")

    def check_type(self, wanted: str, *, code: str) -> None:
        if wanted != self.main_type and wanted not in self.types:
            raise bad_request(
                f"'{self.model_id}' is of the type '{self.main_type}', not '{wanted}'.",
                param="model",
                code=code,
            )

    def check_chat(self) -> None:
        if not self.chats:
            raise bad_request(
                f"'{self.model_id}' is of the type '{self.main_type}' and does not chat.",
                param="model",
                code="model_not_chat",
            )
