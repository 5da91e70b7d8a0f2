"""`/dify/`: applications and knowledge bases of Dify, which are providers of this kind."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import orjson
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import get_language, override
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from llmplatform.audited_admin import done_in_dialog, put_on
from providers import services
from providers.adapters.dify import KNOWLEDGE, WITHOUT_QUESTION
from providers.dify.client import AppParameters, app_parameters
from providers.dify.connecting import connect_dify, field_of, keep_inputs, usual_inputs
from providers.dify.running import Outcome, Run, run_app, whole_run
from providers.dify_forms import ConnectForm, RetrieveForm, RunForm
from providers.errors import ProviderError
from providers.models import Provider, ProviderModel
from providers.types import TextDelta, ThinkingDelta

LINES = "application/x-ndjson"


@require_safe
def index(request: HttpRequest) -> HttpResponse:
    rows = Provider.objects.for_user(current_user(request))
    context = {"apps": rows.apps(), "knowledge": rows.outside_knowledge()}
    return render(request, "providers/dify/list.html", context)


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = ConnectForm(request.POST or None, may_share=user.is_admin, is_new=True)
    if form.is_valid():
        try:
            provider = connect_dify(actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            put_on(form, error)
        except ProviderError as error:
            form.add_error(field_of(error), str(error.advice))
        else:
            messages.success(request, _("“%(name)s” is connected.") % {"name": provider.name})
            return done_in_dialog(request, reverse("dify:detail", args=[provider.pk]))
    return _form_page(request, form)


@sensitive_post_parameters("api_key")
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, provider_id: int) -> HttpResponse:
    user, provider = current_user(request), _editable(request, provider_id)
    initial = {"name": provider.name, "base_url": provider.base_url}
    form = ConnectForm(request.POST or None, may_share=False, is_new=False, initial=initial)
    if form.is_valid():
        try:
            services.change_provider(
                provider=provider, actor=user, request=request, **form.cleaned_data
            )
        except ValidationError as error:
            put_on(form, error)
        else:
            _test(request, provider)
            return done_in_dialog(request, reverse("dify:detail", args=[provider.pk]))
    return _form_page(request, form, provider)


def _form_page(
    request: HttpRequest, form: ConnectForm, provider: Provider | None = None
) -> HttpResponse:
    part = "#form" if form.errors and request.headers.get("HX-Request") else ""
    context = {"form": form, "provider": provider}
    status = 422 if form.errors else 200
    return render(request, f"providers/dify/form.html{part}", context, status=status)


def _visible(request: HttpRequest, provider_id: int) -> Provider:
    rows = Provider.objects.for_user(current_user(request)).filter(kind="dify")
    return owned_or_404(rows, pk=provider_id)


def _editable(request: HttpRequest, provider_id: int) -> Provider:
    rows = Provider.objects.editable_by(current_user(request)).filter(kind="dify")
    return owned_or_404(rows, pk=provider_id)


@require_safe
def detail(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _visible(request, provider_id)
    if provider.app_mode == KNOWLEDGE:
        return _knowledge_page(request, provider)
    try:
        parameters = app_parameters(provider)
    except ProviderError as error:
        return _app_page(request, provider, {"problem": str(error.advice)})
    form = _run_form(provider, parameters)
    if request.GET.get("query"):
        form.initial["query"] = request.GET["query"]
    return _app_page(request, provider, {"parameters": parameters, "form": form})


def _run_form(provider: Provider, parameters: AppParameters, *data: Any, **given: Any) -> RunForm:
    mode = provider.target().profile.app_mode
    return RunForm(*data, parameters=parameters, mode=mode, usual=usual_inputs(provider), **given)


def _app_page(request: HttpRequest, provider: Provider, context: dict[str, Any]) -> HttpResponse:
    user = current_user(request)
    models = ProviderModel.objects.for_user(user).usable().filter(provider=provider)
    mode = provider.target().profile.app_mode
    context |= {
        "provider": provider,
        "model": None if mode in WITHOUT_QUESTION else models.first(),
        "may_edit": Provider.objects.editable_by(user).filter(pk=provider.pk).exists(),
        "asks": mode not in WITHOUT_QUESTION,
    }
    form = context.get("form")
    is_wrong = form is not None and bool(form.errors)
    part = "#form" if is_wrong and LINES in request.headers.get("Accept", "") else ""
    template = f"providers/dify/app.html{part}"
    return render(request, template, context, status=422 if is_wrong else 200)


@require_POST
def run(request: HttpRequest, provider_id: int) -> HttpResponseBase:
    """Line by line where the page's script asks, else the page with the whole answer."""
    provider = _visible(request, provider_id)
    if not provider.is_enabled or provider.app_mode == KNOWLEDGE:
        messages.error(request, _("This application is disabled."))
        return redirect("dify:detail", provider.pk)
    try:
        parameters = app_parameters(provider)
    except ProviderError as error:
        return _app_page(request, provider, {"problem": str(error.advice)})
    form = _run_form(provider, parameters, request.POST, request.FILES)
    if not form.is_valid():
        return _app_page(request, provider, {"parameters": parameters, "form": form})
    wanted = _wanted(current_user(request), provider, form)
    if LINES in request.headers.get("Accept", ""):
        response = StreamingHttpResponse(
            _lines(wanted, get_token(request)), content_type=f"{LINES}; charset=utf-8"
        )
        response.headers["X-Accel-Buffering"] = "no"
        return response
    outcome = whole_run(wanted)
    context = {"parameters": parameters, "form": form, "outcome": outcome}
    return _app_page(request, provider, context)


def _wanted(user: User, provider: Provider, form: RunForm) -> Run:
    return Run(
        provider=provider,
        user=user,
        inputs=form.inputs,
        query=form.query,
        files=form.given_files,
    )


def _lines(wanted: Run, csrf_token: str) -> AsyncIterator[bytes]:
    """Words as they come, as JSON; with everything else the outcome is drawn anew."""
    language = get_language() or "en"

    def drawn(outcome: Outcome) -> bytes:
        context = {"outcome": outcome, "provider": wanted.provider, "csrf_token": csrf_token}
        with override(language):
            html = render_to_string("providers/dify/outcome.html", context)
        return orjson.dumps({"html": html}) + b"\n"

    async def lines() -> AsyncIterator[bytes]:
        outcome = Outcome()
        yield drawn(outcome)
        async with aclosing(run_app(wanted, outcome)) as events:
            async for event in events:
                if isinstance(event, TextDelta):
                    yield orjson.dumps({"text": event.text}) + b"\n"
                elif isinstance(event, ThinkingDelta):
                    yield orjson.dumps({"thought": event.text}) + b"\n"
                else:
                    yield drawn(outcome)
        yield drawn(outcome)

    return lines()


@require_POST
def save_inputs(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _editable(request, provider_id)
    try:
        parameters = app_parameters(provider)
    except ProviderError as error:
        return _app_page(request, provider, {"problem": str(error.advice)})
    form = _run_form(provider, parameters, request.POST, is_draft=True)
    if not form.is_valid():
        return _app_page(request, provider, {"parameters": parameters, "form": form})
    try:
        keep_inputs(
            provider=provider, actor=current_user(request), inputs=form.inputs, request=request
        )
    except ValidationError as error:
        messages.error(request, " ".join(error.messages))
    else:
        messages.success(request, _("Chats and runs fill these in from now on."))
    return redirect("dify:detail", provider.pk)


@require_POST
def feedback(request: HttpRequest, provider_id: int) -> HttpResponse:
    """A thumb for an answer of a run."""
    provider, user = _visible(request, provider_id), current_user(request)
    rating = "like" if request.POST.get("rating") == "like" else "dislike"
    message_id = request.POST.get("message_id", "")[:100]
    try:
        services.send_feedback(provider=provider, user=user, message_id=message_id, rating=rating)
        said = _("Dify has been told.")
    except ProviderError as error:
        said = str(error.advice)
    if request.headers.get("HX-Request"):
        return render(request, "providers/dify/told.html", {"said": said})
    messages.info(request, said)
    return redirect("dify:detail", provider.pk)


def _knowledge_page(request: HttpRequest, provider: Provider) -> HttpResponse:
    """Its knowledge bases, and passages where one of them is tried."""
    may_edit = Provider.objects.editable_by(current_user(request)).filter(pk=provider.pk).exists()
    context: dict[str, Any] = {"provider": provider, "may_edit": may_edit}
    try:
        datasets = services.dify_datasets(provider)
    except ProviderError as error:
        context["problem"] = str(error.advice)
        return render(request, "providers/dify/knowledge.html", context)
    choices = [(each.id, each.name) for each in datasets]
    is_asked = "query" in request.GET
    form = RetrieveForm(request.GET if is_asked else None, datasets=choices)
    context |= {"datasets": datasets, "form": form}
    if is_asked and form.is_valid():
        given = dict(form.cleaned_data)
        given["dataset_id"] = given.pop("dataset")
        try:
            context["passages"] = services.dify_retrieve(provider, **given)
        except ProviderError as error:
            form.add_error(None, str(error.advice))
    status = 422 if form.errors else 200
    return render(request, "providers/dify/knowledge.html", context, status=status)


@require_POST
def test(request: HttpRequest, provider_id: int) -> HttpResponse:
    _test(request, _editable(request, provider_id))
    return redirect("dify:detail", provider_id)


def _test(request: HttpRequest, provider: Provider) -> None:
    """With the kind of application that it is now."""
    try:
        services.refresh_models(provider=provider, actor=current_user(request), request=request)
    except ProviderError as error:
        messages.error(request, str(error.advice))
    else:
        messages.success(request, _("Dify answers (%(ms)d ms).") % {"ms": provider.test_latency_ms})


@require_POST
def delete(request: HttpRequest, provider_id: int) -> HttpResponse:
    provider = _editable(request, provider_id)
    services.delete_provider(provider=provider, actor=current_user(request), request=request)
    messages.success(request, _("“%(name)s” is deleted.") % {"name": provider.name})
    return redirect("dify:list")
