"""What an application of Dify says of itself, and what it is told about its answers."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any
from urllib.parse import quote

from asgiref.sync import async_to_sync
from django.core.cache import cache

from accounts.models import User
from providers.adapters.answers import count_of, read_object
from providers.adapters.dify import DifyAdapter, user_of
from providers.asking import fetched
from providers.calling import give_back_connections
from providers.models import Provider
from providers.types import Target

ADAPTER = DifyAdapter()
# An application may be changed at Dify at any moment; a page is asked for again and again.
KEPT_FOR_S = 30
# A person waits for it in front of an empty form.
LOOK_UP_WITHIN_S = 15
RATINGS = ("like", "dislike", None)
TEXT_KINDS = ("text-input", "paragraph")
KINDS = (*TEXT_KINDS, "select", "number", "checkbox", "file", "file-list")


@dataclass(frozen=True)
class InputField:
    """One field of an application's form. `kind`: one of KINDS. `max_chars` None: no limit;
    `file_types`: image, document, audio, video, custom."""

    kind: str
    variable: str
    label: str
    is_required: bool = False
    default: str = ""
    options: tuple[str, ...] = ()
    max_chars: int | None = None
    file_types: tuple[str, ...] = ()
    most_files: int = 1


@dataclass(frozen=True)
class AppParameters:
    opening_statement: str = ""
    suggested_questions: tuple[str, ...] = ()
    fields: tuple[InputField, ...] = ()
    takes_images: bool = False


@dataclass(frozen=True)
class AppInfo:
    """`mode` is empty where the application says none that is known."""

    name: str
    description: str
    mode: str


async def aapp_info(provider: Provider) -> AppInfo:
    """Raises ProviderError."""
    body = await fetched(_patient(provider), ADAPTER.models)
    answer = read_object(body)
    name, description = (str(answer.get(each) or "") for each in ("name", "description"))
    return AppInfo(name.strip()[:100], description, ADAPTER.read_app_mode(body))


def app_info(provider: Provider) -> AppInfo:
    """`provider` need not be saved. Raises ProviderError."""
    give_back_connections()
    return async_to_sync(aapp_info)(provider)


def app_parameters(provider: Provider) -> AppParameters:
    """What its form asks for. Raises ProviderError. It may be half a minute old."""
    way = f"{provider.base_url} {provider.credential} {provider.profile} {provider.oauth}"
    key = f"dify-parameters:{provider.pk}:{hashlib.sha256(way.encode()).hexdigest()}"
    known = cache.get(key)
    if known is None:
        give_back_connections()
        build = partial(ADAPTER.ask, method="GET", path="/parameters")
        body = async_to_sync(fetched)(_patient(provider), build)
        known = read_parameters(read_object(body))
        cache.set(key, known, KEPT_FOR_S)
    found: AppParameters = known
    return found


def send_feedback(
    *,
    provider: Provider,
    user: User,
    message_id: str,
    rating: str | None,
    content: str = "",
) -> None:
    """Tells the application what `user` thinks of an answer: like, dislike, or None to take that
    back. Raises ProviderError."""
    if rating not in RATINGS:
        raise ValueError(f"unknown rating: {rating}")
    give_back_connections()
    target = provider.target().asked_by(user.pk)
    body = {"rating": rating, "user": user_of(target, {}), "content": content}
    path = f"/messages/{quote(message_id, safe='')}/feedbacks"
    build = partial(ADAPTER.ask, method="POST", path=path, body=body)
    async_to_sync(fetched)(target, build)


def _patient(provider: Provider) -> Target:
    target = provider.target()
    patience = target.patience
    short = replace(patience, read_s=min(patience.read_s, LOOK_UP_WITHIN_S))
    return replace(target, patience=short)


def read_parameters(answer: Mapping[str, Any]) -> AppParameters:
    """What is not as expected is left out: new versions of Dify add kinds of fields."""
    rows, questions = answer.get("user_input_form"), answer.get("suggested_questions")
    uploads = answer.get("file_upload")
    image = uploads.get("image") if isinstance(uploads, Mapping) else None
    named = [each for row in (rows if isinstance(rows, list) else ()) for each in _named(row)]
    return AppParameters(
        opening_statement=str(answer.get("opening_statement") or ""),
        suggested_questions=_texts(questions),
        fields=tuple(_field(kind, row) for kind, row in named if row.get("variable")),
        takes_images=isinstance(image, Mapping) and image.get("enabled") is True,
    )


def _named(row: Any) -> list[tuple[str, Mapping[str, Any]]]:
    pairs = row.items() if isinstance(row, Mapping) else ()
    return [(str(kind), each) for kind, each in pairs if isinstance(each, Mapping)]


def _field(kind: str, row: Mapping[str, Any]) -> InputField:
    default, variable = row.get("default"), str(row["variable"])
    return InputField(
        kind=kind if kind in KINDS else "paragraph",
        variable=variable,
        label=str(row.get("label") or variable),
        is_required=row.get("required") is True,
        default="" if default is None or isinstance(default, dict | list) else str(default),
        options=_texts(row.get("options")),
        max_chars=count_of(row, "max_length") or None if kind in TEXT_KINDS else None,
        file_types=_texts(row.get("allowed_file_types")),
        most_files=_most_files(kind, row),
    )


def _most_files(kind: str, row: Mapping[str, Any]) -> int:
    if kind != "file-list":
        return 1
    return count_of(row, "number_limits") or count_of(row, "max_length") or 5


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(each) for each in value if each) if isinstance(value, list) else ()
