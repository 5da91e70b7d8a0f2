"""The API as a whole: one shape for every error, documentation for people who signed in."""

import re
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import orjson
import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DataError
from django.http import Http404
from django.test import Client, RequestFactory
from django.utils import translation
from ninja.errors import HttpError
from pydantic import Field
from pydantic import ValidationError as PydanticError

from accounts.models import User
from conftest import ApiClient
from llmplatform.api import api as platform_api
from llmplatform.encryption import KeyUnreadable
from llmplatform.errors import ApiError
from llmplatform.field_errors import in_words
from llmplatform.schemas import Schema, Str, plain
from tests.sources import APPS

Api = Callable[[User], ApiClient]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (ApiError(409, "conflict", "No."), 409, "conflict"),
        (ValidationError("Wrong."), 422, "invalid"),
        (ValidationError({"name": ["Wrong."]}), 422, "invalid"),
        (PermissionDenied(), 403, "forbidden"),
        (Http404(), 404, "not_found"),
        (HttpError(400, "Cannot parse request body"), 400, "bad_request"),
        (HttpError(403, "CSRF check Failed"), 403, "csrf_failed"),
        (RequestDataTooBig(), 413, "too_large"),
        (DataError("secret detail"), 422, "invalid"),
        (KeyUnreadable(), 503, "key_unreadable"),
        (RuntimeError("secret detail"), 500, "internal"),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_error_has_the_one_shape(
    rf: RequestFactory, error: Exception, status: int, code: str
) -> None:
    answer = platform_api.on_exception(rf.get("/api/v1/x"), error)
    body = orjson.loads(answer.content)
    assert answer.status_code == status
    assert body["error"]["code"] == code and body["error"]["message"]
    assert b"secret detail" not in answer.content
    if isinstance(error, ValidationError) and hasattr(error, "error_dict"):
        assert body["error"]["fields"] == {"name": ["Wrong."]}


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("get", "nothing-of-this-name", 404, "not_found"),
        ("delete", "models", 405, "method_not_allowed"),
        ("get", "auth/login", 405, "method_not_allowed"),
    ],
)
def test_where_no_operation_is_the_shape_is_the_same(
    alice: User, api: Api, method: str, path: str, status: int, code: str
) -> None:
    answer = getattr(api(alice).client, method)(f"/api/v1/{path}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    ("amount", "shown"),
    [("0E-10", "0"), ("0.0012000000", "0.0012"), ("1200", "1200"), ("1E+3", "1000")],
)
def test_amounts_are_written_plainly(amount: str, shown: str) -> None:
    assert plain(Decimal(amount)) == shown


@pytest.mark.parametrize(
    "body", ["{", "[]", '"x"', '{"name": NaN}', '{"name": "\\ud800"}', '{"name": 5}', "null"]
)
def test_a_bad_body_is_never_a_crash(alice: User, api: Api, body: str) -> None:
    answer = api(alice).client.post("/api/v1/keys", body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert answer.json()["error"]["code"] in ("bad_request", "invalid")


@pytest.mark.parametrize("query", ["limit=0", "limit=5001", "offset=-1", "limit=x"])
def test_paging_has_bounds(alice: User, api: Api, query: str) -> None:
    assert api(alice).get(f"keys?{query}").status_code == 422


def test_the_message_is_in_the_callers_language(alice: User, api: Api) -> None:
    client = api(alice).client
    answer = client.get("/api/v1/keys?limit=0", headers={"Accept-Language": "zh-hans"})
    assert answer.json()["error"]["message"] != "Some fields are not valid."


class Everything(Schema):
    text: Str = Field("", max_length=3)
    count: int = Field(1, ge=1, le=5)
    share: float = Field(0.5, gt=0, lt=1)
    price: Decimal = Field(Decimal(1), max_digits=4, decimal_places=2)
    is_on: bool = True
    at: datetime | None = None
    day: date | None = None
    rows: list[int] = Field([], max_length=1)
    fields: dict[str, int] = Field(default_factory=dict)
    id: UUID | None = None
    kind: Literal["a", "b"] = "a"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("text", "long"), ("text", 7), ("text", "\x00"), ("count", 0), ("count", 6)),
        *(("count", "x"), ("count", 1.5), ("share", 0), ("share", 1), ("share", "x")),
        *(("price", "1.234"), ("price", "12345"), ("price", "x"), ("is_on", "maybe")),
        *(("is_on", []), ("at", "soon"), ("day", "soon"), ("rows", 7), ("rows", [1, 2])),
        *(("fields", 7), ("id", "x"), ("kind", "c"), ("other", 1), ("share", float("nan"))),
    ],
)
def test_what_is_wrong_with_a_field_is_said_in_chinese(field: str, value: Any) -> None:
    said = {}
    for language in ("zh-hans", "en"):
        with translation.override(language), pytest.raises(PydanticError) as found:
            Everything(**{field: value})
        with translation.override(language):
            said[language] = in_words(found.value.errors()[0])
    assert re.search("[\u4e00-\u9fff]", said["zh-hans"]), said
    assert "%(" not in said["en"] and "not valid" not in said["en"]


def test_the_documentation_is_for_those_who_are_known(
    alice: User, client: Client, client_for: Callable[[User], Client], api: Api
) -> None:
    assert client.get("/api/v1/docs").status_code == 302
    assert client.get("/api/v1/openapi.json").status_code == 401
    for path in ("/api/v1/docs", "/api/v1/openapi.json"):
        assert client_for(alice).get(path).status_code == 200
        assert api(alice).client.get(path).status_code == 200


def test_the_schema_is_openapi_3_1(alice: User, client_for: Callable[[User], Client]) -> None:
    schema: dict[str, Any] = client_for(alice).get("/api/v1/openapi.json").json()
    assert schema["openapi"].startswith("3.1")
    names = [op["operationId"] for path in schema["paths"].values() for op in path.values()]
    assert len(names) == len(set(names))


def test_no_two_schemas_share_a_name() -> None:
    """In the description one would stand for both."""
    kinds, left = list[type[Schema]](), [Schema]
    while left:
        found = left.pop().__subclasses__()
        kinds += found
        left += found
    ours = {kind for kind in kinds if kind.__module__.split(".")[0] in APPS}
    names = Counter(kind.__name__ for kind in ours if "[" not in kind.__name__)
    twice = [name for name, count in names.items() if count > 1]
    assert not twice
