"""API: `dify/apps`, `dify/knowledge`."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from accounts.access import current_user, owned_or_404
from llmplatform.errors import ApiError
from llmplatform.schemas import Answer, Page, Paging, Schema, Str, paginate
from providers import services
from providers.dify.client import AppParameters, app_parameters
from providers.dify.connecting import connect_dify
from providers.dify.running import Outcome, Run, whole_run
from providers.dify_forms import RunForm
from providers.errors import ProviderError, error_advice
from providers.models import Provider
from providers.schemas import ProviderOut

router = Router(tags=["Dify"])


class DifyIn(Schema):
    """A key of an application (`app-…`) or of the knowledge API (`dataset-…`)."""

    base_url: Str = Field("", max_length=500)
    api_key: Str = Field(max_length=4000)
    name: Str = Field("", max_length=100, description="Empty: as it is called at Dify.")
    is_shared: bool = False


class InputFieldOut(Answer):
    kind: str
    variable: str
    label: str
    is_required: bool
    default: str
    options: list[str]
    max_chars: int | None
    file_types: list[str]
    most_files: int


class AppParametersOut(Answer):
    opening_statement: str
    suggested_questions: list[str]
    fields: list[InputFieldOut]
    takes_images: bool


class RunIn(Schema):
    """`inputs` by variable; files only by the page."""

    inputs: dict[str, str | float | bool] = Field(default_factory=dict)
    query: Str = Field("", max_length=100_000, description="For applications that chat.")


class RunOut(Answer):
    text: str
    thoughts: str
    outputs: dict[str, Any]
    steps: list[dict[str, str]]
    sources: list[dict[str, Any]]
    files: list[dict[str, str]]
    is_paused: bool
    prompt_tokens: int | None
    completion_tokens: int | None


class DatasetOut(Answer):
    id: str
    name: str
    description: str
    document_count: int | None
    word_count: int | None
    is_searchable: bool


def _visible(request: HttpRequest, app_id: int) -> Provider:
    return owned_or_404(Provider.objects.for_user(current_user(request)).apps(), pk=app_id)


def _refused(error: ProviderError) -> ApiError:
    return ApiError(502, error.code, str(error.advice))


@router.get("apps", response=Page[ProviderOut])
def list_apps(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(Provider.objects.for_user(current_user(request)).apps(), paging)


@router.post("apps", response={201: ProviderOut})
def connect_app(request: HttpRequest, body: DifyIn) -> Any:
    """It is asked first; its name and kind are what it says."""
    try:
        return 201, connect_dify(actor=current_user(request), request=request, **body.model_dump())
    except ProviderError as error:
        raise _refused(error) from error


@router.get("apps/{app_id}/parameters", response=AppParametersOut)
def get_parameters(request: HttpRequest, app_id: int) -> AppParameters:
    """What its form asks for."""
    try:
        return app_parameters(_visible(request, app_id))
    except ProviderError as error:
        raise _refused(error) from error


@router.post("apps/{app_id}/run", response=RunOut)
def run_app(request: HttpRequest, app_id: int, body: RunIn) -> Any:
    """The whole answer at once. The saved inputs are filled in where others are left out."""
    provider = _visible(request, app_id)
    if not provider.is_enabled:
        raise ApiError(409, "disabled", error_advice("no_such_model"))
    form = _checked(provider, get_parameters(request, app_id), body)
    run = Run(provider, current_user(request), form.inputs, form.query)
    outcome = whole_run(run)
    if outcome.error_code:
        raise ApiError(502, outcome.error_code, error_advice(outcome.error_code))
    return _shown(outcome)


def _checked(provider: Provider, parameters: AppParameters, body: RunIn) -> RunForm:
    """The rules of the page. Raises ValidationError keyed by variable."""
    usual = provider.extra_body.get("inputs")
    given = {**(usual if isinstance(usual, dict) else {}), **body.inputs}
    data = {f"input-{name}": value for name, value in given.items()}
    mode = provider.target().profile.app_mode
    form = RunForm(data | {"query": body.query}, parameters=parameters, mode=mode, usual={})
    if not form.is_valid():
        problems = {name.removeprefix("input-"): each for name, each in form.errors.items()}
        raise ValidationError({name: list(each) for name, each in problems.items()})
    return form


def _shown(outcome: Outcome) -> dict[str, Any]:
    usage, _is_estimated = outcome.measured.final_usage()
    steps = ("id", "thought", "tool", "tool_input", "observation")
    return {
        "text": outcome.said.text,
        "thoughts": outcome.said.thoughts,
        "outputs": dict(outcome.outputs),
        "steps": [{name: getattr(each, name) for name in steps} for each in outcome.steps.values()],
        "sources": [vars(each) for each in outcome.citations],
        "files": [vars(each) for each in outcome.files],
        "is_paused": outcome.is_paused,
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
    }


@router.get("knowledge", response=Page[ProviderOut])
def list_knowledge(request: HttpRequest, paging: Query[Paging]) -> Any:
    """Connections to knowledge bases of Dify."""
    rows = Provider.objects.for_user(current_user(request)).outside_knowledge()
    return paginate(rows, paging)


@router.get("knowledge/{connection_id}/datasets", response=list[DatasetOut])
def list_datasets(request: HttpRequest, connection_id: int) -> Any:
    rows = Provider.objects.for_user(current_user(request)).outside_knowledge()
    try:
        return services.dify_datasets(owned_or_404(rows, pk=connection_id))
    except ProviderError as error:
        raise _refused(error) from error
