"""Base classes of everything the API reads and writes, and the one shape of its lists."""

from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any, Generic, TypeVar

from django.db.models import Model, QuerySet
from ninja import Schema as NinjaSchema
from ninja.params.models import ParamModel
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer

from llmplatform.text import storable

# How to check what an endpoint takes and gives is worked out when it is asked for the first time,
# in a few ms: for all of them, every start would take up to 0.4 s and 9 MB more.
_bases: list[type[BaseModel]] = [NinjaSchema, ParamModel, *ParamModel.__subclasses__()]
for _base in _bases:
    _base.model_config["defer_build"] = True

Str = Annotated[str, AfterValidator(storable)]
Name = Annotated[str, AfterValidator(storable), Field(min_length=1, max_length=200)]


def plain(amount: Decimal) -> str:
    """`0.0012`, never `0.0012000000` or `0E-10`."""
    return format(amount.normalize(), "f")


# Of money; a text, since a float would not be exact.
Amount = Annotated[Decimal, PlainSerializer(plain, return_type=str)]


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
