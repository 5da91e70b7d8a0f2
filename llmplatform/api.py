"""The one HTTP API: mounts every app's routers and shapes every error."""

import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied, RequestDataTooBig, ValidationError
from django.db import DataError
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext as _
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as BodyError
from ninja.openapi.schema import OpenAPISchema

from accounts.access import api_auth
from accounts.api import audit_router, auth_router, keys_router
from accounts.notice_api import channels_router, notices_router
from chat.api import (
    attachments_router,
    batches_router,
    collections_router,
    comparisons_router,
    deleted_router,
    feedback_router,
    folders_router,
    imports_router,
    inbox_router,
    origins_router,
    reviewers_router,
    sessions_router,
    shared_router,
    shares_router,
)
from knowledge.api import router as knowledge_router
from knowledge.dify_api import router as dify_retrieval_router
from knowledge.passage_api import router as passages_router
from llmplatform.encryption import KeyUnreadable
from llmplatform.errors import ApiError, Fields, error_body
from llmplatform.field_errors import in_words
from prompts.api import router as prompts_router
from providers.alias_api import router as aliases_router
from providers.api import models_router, presets_router, providers_router, usage_router
from providers.dify_api import router as dify_router
from providers.gateway.description import described
from providers.price_api import router as prices_router
from training.api import (
    base_models_router,
    datasets_router,
    deployments_router,
    drafts_router,
    evaluations_router,
    exports_router,
    groups_router,
    hub_tokens_router,
    job_evaluation_router,
    jobs_router,
    labels_router,
    nodes_router,
    queue_router,
    uploads_router,
    version_evaluations_router,
    version_exports_router,
    versions_of_datasets_router,
    versions_router,
    watching_router,
    work_router,
)

logger = logging.getLogger(__name__)

INTRODUCTION = """\
Under `/api/v1/`: people's access tokens, personal keys or the page's session; errors are
`{"error": {"code", "message", "fields"?}}`. Under `/v1/`, section *Gateway*: models for programs,
with personal keys only, in the shapes of OpenAI and Anthropic.
"""


def _for_members(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """The documentation is for people and programs that are known here."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if any(authenticate(request) for authenticate in api_auth):
            return view(request, *args, **kwargs)
        if request.path.endswith(".json"):
            return _on_anonymous(request, AuthenticationError())
        return redirect_to_login(request.get_full_path())

    return guarded


class PlatformAPI(NinjaAPI):
    """Its document has the gateway's endpoints, too, which are beside Django."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        schema, gateway = super().get_openapi_schema(**options), described()
        schema["paths"] |= gateway["paths"]
        for name, parts in gateway["components"].items():
            schema["components"].setdefault(name, {}).update(parts)
        return schema


api = PlatformAPI(
    title="LLM platform",
    version="1",
    urls_namespace="api",
    auth=api_auth,
    docs_decorator=_for_members,
    openapi_extra={"info": {"description": INTRODUCTION}},
)
api.add_router("auth/", auth_router)
api.add_router("keys", keys_router)
api.add_router("audit", audit_router)
api.add_router("notices", notices_router)
api.add_router("notice-channels", channels_router)
api.add_router("nodes", nodes_router)
api.add_router("provider-presets", presets_router)
api.add_router("dify", dify_router)
api.add_router("providers", providers_router)
api.add_router("models", models_router)
api.add_router("prices", prices_router)
api.add_router("aliases", aliases_router)
api.add_router("usage", usage_router)
api.add_router("datasets/uploads", uploads_router)
api.add_router("datasets/work", work_router)
api.add_router("datasets", versions_of_datasets_router)
api.add_router("datasets", datasets_router)
api.add_router("dataset-drafts", drafts_router)
api.add_router("training/base-models", base_models_router)
api.add_router("training/hub-tokens", hub_tokens_router)
api.add_router("training/models", versions_router)
api.add_router("training/models", labels_router)
api.add_router("training/models", version_exports_router)
api.add_router("training/exports", exports_router)
api.add_router("training", groups_router)
api.add_router("training/models", version_evaluations_router)
api.add_router("training/evaluations", evaluations_router)
api.add_router("training/deployments", deployments_router)
api.add_router("training/jobs", job_evaluation_router)
api.add_router("training", jobs_router)
api.add_router("training", queue_router)
api.add_router("training", watching_router)
api.add_router("chat/sessions", sessions_router)
api.add_router("chat/batches", batches_router)
api.add_router("chat/folders", folders_router)
api.add_router("chat/deleted", deleted_router)
api.add_router("feedback/inbox", inbox_router)
api.add_router("feedback/reviewers", reviewers_router)
api.add_router("feedback/collections", collections_router)
api.add_router("feedback/datasets", origins_router)
api.add_router("feedback", feedback_router)
api.add_router("comparisons", comparisons_router)
api.add_router("chat/attachments", attachments_router)
api.add_router("chat/imports", imports_router)
api.add_router("chat/shares", shares_router)
api.add_router("chat/shared", shared_router)
api.add_router("prompts", prompts_router)
api.add_router("knowledge", knowledge_router)
api.add_router("knowledge", passages_router)
api.add_router("dify", dify_retrieval_router)


def refuse(
    request: HttpRequest, status: int, code: str, message: str, fields: Fields | None = None
) -> HttpResponse:
    return api.create_response(request, error_body(code, message, fields), status=status)


@api.exception_handler(ApiError)
def _on_api_error(request: HttpRequest, error: ApiError) -> HttpResponse:
    response = refuse(request, error.status, error.code, error.message, error.fields)
    if error.retry_after_s is not None:
        response.headers["Retry-After"] = str(error.retry_after_s)
    return response


@api.exception_handler(BodyError)
def _on_body_error(request: HttpRequest, error: BodyError) -> HttpResponse:
    fields: dict[str, list[str]] = {}
    for found in error.errors:
        path = ".".join(str(part) for part in found["loc"][2:]) or str(found["loc"][-1])
        fields.setdefault(path, []).append(in_words(found))
    return refuse(request, 422, "invalid", _("Some fields are not valid."), fields)


@api.exception_handler(ValidationError)
def _on_validation_error(request: HttpRequest, error: ValidationError) -> HttpResponse:
    fields = error.message_dict if hasattr(error, "error_dict") else None
    message = _("Some fields are not valid.") if fields else " ".join(error.messages)
    return refuse(request, 422, "invalid", message, fields)


@api.exception_handler(AuthenticationError)
def _on_anonymous(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return refuse(request, 401, "unauthenticated", _("Sign in or send a valid token."))


@api.exception_handler(PermissionDenied)
def _on_denied(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return refuse(request, 403, "forbidden", _("You are not allowed to do this."))


@api.exception_handler(Http404)
def _on_missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return refuse(request, 404, "not_found", _("There is nothing here."))


@api.exception_handler(HttpError)
def _on_http_error(request: HttpRequest, error: HttpError) -> HttpResponse:
    """What ninja raises by itself: a body that is no JSON, a session without its CSRF token."""
    if error.status_code == 403:
        text = _("The session's CSRF token is missing or wrong.")
        return refuse(request, 403, "csrf_failed", text)
    return refuse(request, error.status_code, "bad_request", _("The body is not valid JSON."))


@api.exception_handler(RequestDataTooBig)
def _on_too_big(request: HttpRequest, error: RequestDataTooBig) -> HttpResponse:
    return refuse(request, 413, "too_large", _("The request is too large."))


@api.exception_handler(DataError)
def _on_data_error(request: HttpRequest, error: DataError) -> HttpResponse:
    return refuse(request, 422, "invalid", _("A value is out of range."))


@api.exception_handler(KeyUnreadable)
def _on_unreadable_key(request: HttpRequest, error: KeyUnreadable) -> HttpResponse:
    return refuse(
        request, 503, "key_unreadable", _("A stored credential cannot be read. Enter it again.")
    )


@api.exception_handler(Exception)
def _on_crash(request: HttpRequest, error: Exception) -> HttpResponse:
    logger.exception("API request failed: %s %s", request.method, request.path)
    return refuse(request, 500, "internal", _("Something went wrong. It has been logged."))
