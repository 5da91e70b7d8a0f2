"""The API as a whole: one shape for every error, documentation for people who signed in."""

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DataError
from django.http import Http404
from django.test import Client, RequestFactory
from ninja.errors import HttpError

from accounts.models import User
from conftest import ApiClient
from llmplatform.api import api as platform_api
from llmplatform.encryption import KeyUnreadable
from llmplatform.errors import ApiError

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
