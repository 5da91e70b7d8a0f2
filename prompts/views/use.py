"""Reading a prompt, filling it in, and picking one while writing elsewhere."""

from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user
from llmplatform.text import number_of
from prompts import services, versions
from prompts.models import Prompt, PromptVersion
from prompts.selection import offered
from prompts.variable_forms import FillForm
from prompts.views.access import UNPROCESSABLE, readable, rights

PICKED_MAX = 30
# Servers and proxies refuse longer request lines.
ADDRESS_MAX_CHARS = 7000


def _version(request: HttpRequest, prompt: Prompt) -> tuple[PromptVersion, str]:
    """`?version=`; otherwise what readers get."""
    asked = request.GET.get("version") or request.POST.get("version") or ""
    number = number_of(asked, 9)
    try:
        if asked and number is None:
            raise Http404
        return versions.chosen(prompt, number=number)
    except ValidationError as error:
        raise Http404 from error


def _twin(prompt: Prompt) -> Prompt | None:
    """The same preset in another language."""
    if not prompt.preset:
        return None
    return Prompt.objects.filter(preset=prompt.preset, owner=None).exclude(pk=prompt.pk).first()


def _show(
    request: HttpRequest, prompt: Prompt, version: PromptVersion, form: FillForm, text: str = ""
) -> HttpResponse:
    current, _label = versions.current(prompt)
    context = {
        "prompt": prompt,
        "version": version,
        "labels": [label.name for label in version.labels.all()],
        "current": current,
        "is_latest": version.number == prompt.number,
        "form": form,
        "filled": text,
        "twin": _twin(prompt),
        **rights(request, prompt),
    }
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "prompts/detail.html", context, status=status)


@require_safe
def detail(request: HttpRequest, prompt_id: int) -> HttpResponse:
    prompt = readable(request, prompt_id)
    version, _label = _version(request, prompt)
    return _show(request, prompt, version, FillForm(variables=version.variables))


@require_POST
def use(request: HttpRequest, prompt_id: int) -> HttpResponse:
    """Fill the places in and go to a new chat, or a comparison, that starts with the text."""
    prompt = readable(request, prompt_id)
    version, label = _version(request, prompt)
    form = FillForm(request.POST, variables=version.variables)
    if not form.is_valid():
        return _show(request, prompt, version, form)
    text = services.fill_in(prompt=prompt, values=form.cleaned_data, version=version, label=label)
    page = "compare:index" if request.POST.get("to") == "compare" else "chat:index"
    address = f"{reverse(page)}?{urlencode({'prompt': text})}"
    if len(address) > ADDRESS_MAX_CHARS:
        return _show(request, prompt, version, form, text)
    return redirect(address)


@require_safe
def picker(request: HttpRequest) -> HttpResponse:
    """What a list under `/` offers for the words typed so far."""
    user = current_user(request)
    words = request.GET.get("q", "").strip()[:100]
    rows = Prompt.objects.for_user(user).in_language(get_language() or "")
    found = offered(rows, user, words).select_related("owner").prefetch_related("labels__version")
    return render(request, "prompts/picker_options.html", {"prompts": found[:PICKED_MAX]})


@require_http_methods(["GET", "HEAD", "POST"])
def fill(request: HttpRequest, prompt_id: int) -> HttpResponse:
    """The form of the variables as a fragment; sent, the text as JSON or the form with its
    errors."""
    prompt = readable(request, prompt_id)
    version, label = _version(request, prompt)
    is_sent = request.method == "POST"
    form = FillForm(request.POST if is_sent else None, variables=version.variables)
    if is_sent and form.is_valid():
        text = services.fill_in(
            prompt=prompt, values=form.cleaned_data, version=version, label=label
        )
        return JsonResponse({"text": text})
    status = UNPROCESSABLE if form.errors else 200
    context = {"prompt": prompt, "form": form, "version": version}
    return render(request, "prompts/picker_form.html", context, status=status)
