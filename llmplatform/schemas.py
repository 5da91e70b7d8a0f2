"""Base classes of everything the API reads and writes, and the one shape of its lists."""

from collections.abc import Callable
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Schema as NinjaSchema
from pydantic import AfterValidator, ConfigDict, Field

from llmplatform.text import storable

Str = Annotated[str, AfterValidator(storable)]
Name = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]


class Schema(NinjaSchema):
    """Input: unknown fields, NaN and unstorable characters are refused with 422."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, str_strip_whitespace=True)


class Answer(NinjaSchema):
    """Output: built from models or keyword arguments."""


T = TypeVar("T")


class Page(NinjaSchema, Generic[T]):
    items: list[T]
    count: int


class Paging(NinjaSchema):
    limit: int = Field(100, ge=1, le=5000)
    offset: int = Field(0, ge=0, le=10_000_000)


M = TypeVar("M", bound=Model)


def paginate(
    rows: QuerySet[M], paging: Paging, show: Callable[[M], Any] = lambda row: row
) -> dict[str, Any]:
    """`{"items": [...], "count": n}` for one slice of `rows`, each item passed through `show`."""
    chosen = rows[paging.offset : paging.offset + paging.limit]
    return {"items": [show(row) for row in chosen], "count": rows.count()}
