"""API: `dify/retrieval`, Dify's External Knowledge API: our bases for its apps.

Source: Dify's documentation, "External Knowledge API". Errors are `{"error_code", "error_msg"}`:
1001 no or a broken Authorization header, 1002 a wrong key (both 403), 2001 no such base (404).
When it is registered, Dify calls it without a body: 404 and 403 refuse that, 400 does not.
"""

import logging
from typing import Any

import orjson
from django.http import HttpRequest, JsonResponse
from ninja import Router
from pydantic import BaseModel, Field, ValidationError

from accounts.access import authenticate_token, find_key
from accounts.models import User
from knowledge import filtering, finding
from knowledge.models import TOP_K_MAX, Base

logger = logging.getLogger(__name__)
router = Router(tags=["Knowledge"])

BODY_MAX_BYTES = 100_000


class Setting(BaseModel):
    top_k: int
    score_threshold: float


class Condition(BaseModel):
    name: str | list[str]
    comparison_operator: str
    value: str | int | float | list[str] | None = None


class Conditions(BaseModel):
    logical_operator: str = "and"
    conditions: list[Condition] = []


class Asked(BaseModel):
    knowledge_id: str = Field(max_length=40)
    query: str = Field(max_length=20_000)
    retrieval_setting: Setting
    metadata_condition: Conditions | None = None


class Refused(Exception):
    def __init__(self, status: int, code: int, message: str) -> None:
        super().__init__(message)
        self.answer = JsonResponse({"error_code": code, "error_msg": message}, status=status)


@router.post(
    "retrieval",
    auth=None,
    openapi_extra={
        "security": [{"BearerAuth": []}],
        "requestBody": {"content": {"application/json": {"schema": Asked.model_json_schema()}}},
        "responses": {
            200: {"description": "`{records: [{content, score, title, metadata}]}`"},
            400: {"description": "What was sent is not a query."},
            403: {"description": "`error_code` 1001: no bearer key; 1002: a wrong one."},
            404: {"description": "`error_code` 2001: no such knowledge base."},
        },
    },
)
def retrieval(request: HttpRequest) -> JsonResponse:
    """Dify's External Knowledge API: passages of one base, for a personal key."""
    try:
        user = _caller(request.headers.get("Authorization", ""))
        return JsonResponse({"records": _records(user, _asked(request.body))})
    except Refused as refused:
        # Older versions of Dify show an empty list and say nothing.
        logger.warning("Dify's retrieval was refused: %s", refused)
        return refused.answer


def _caller(header: str) -> User:
    scheme, _space, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise Refused(403, 1001, "Send a personal key: Authorization: Bearer <key>.")
    user = authenticate_token(token.strip())
    key = find_key(token.strip())
    if user is None:
        raise Refused(403, 1002, "The key is not valid here.")
    if key is not None and key.is_restricted:
        # What limits a key is counted by the gateway, and this is beside it.
        raise Refused(403, 1002, "This key has limits. Use a personal key without limits.")
    return user


def _asked(body: bytes) -> Asked:
    if len(body) > BODY_MAX_BYTES:
        raise Refused(413, 400, "The query is too long.")
    try:
        asked = Asked.model_validate(orjson.loads(body or b"null"))
    except (orjson.JSONDecodeError, ValidationError) as error:
        raise Refused(400, 400, "Send knowledge_id, query and retrieval_setting.") from error
    if "\0" in asked.query or not asked.query.strip():
        raise Refused(400, 400, "The query is empty.")
    return asked


def _records(user: User, asked: Asked) -> list[dict[str, Any]]:
    pk = int(asked.knowledge_id) if asked.knowledge_id.isdecimal() else 0
    base = Base.objects.for_user(user).filter(pk=pk).first() if pk < 2**63 else None
    if base is None:
        raise Refused(404, 2001, "There is no such knowledge base.")
    filters = None
    if asked.metadata_condition is not None and asked.metadata_condition.conditions:
        try:
            filters = filtering.read_dify(asked.metadata_condition.model_dump())
        except ValueError as error:
            raise Refused(400, 400, str(error)) from error
    settings = finding.Settings.of(
        base,
        top_k=min(max(asked.retrieval_setting.top_k, 1), TOP_K_MAX),
        score_threshold=min(max(asked.retrieval_setting.score_threshold, 0.0), 1.0),
        filters=filters,
    )
    found = finding.find_in(base, asked.query, user=user, settings=settings)
    if any(remark.code == "unavailable" for remark in found.remarks):
        raise Refused(503, 500, "The knowledge base cannot be searched now.")
    return [
        {
            "content": each.text,
            "score": round(each.score, 4),
            "title": each.document_name,
            "metadata": {**each.metadata, "position": each.position, "page": each.page or 0},
        }
        for each in found.passages
    ]
