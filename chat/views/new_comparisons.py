"""`/compare/`: the form that starts a comparison, and those that were made."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import attachments, comparing, grounding, services
from chat.comparison_forms import StartForm
from chat.comparison_showing import Shown
from chat.models import COLUMNS_MAX, COLUMNS_MIN, Attachment, Comparison, Message
from chat.views.acting import files_with
from chat.views.bases import asked_for, listed
from llmplatform.encryption import KeyUnreadable
from llmplatform.text import number_of
from providers.models import ProviderModel

COMPARISONS_PER_PAGE = 20
UNPROCESSABLE = 422


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """A new comparison, and those that were made."""
    user = current_user(request)
    models = list(services.usable_models(user))
    if request.method != "POST":
        return _blank(request, user, models)
    files, problems = files_with(request)
    has_files = bool(files or problems)
    form = StartForm(request.POST, owner=user, models=models, has_files=has_files)
    if form.is_valid() and not problems:
        data = form.prompt.cleaned_data
        try:
            comparison = comparing.start(
                owner=user,
                prompt=data["content"],
                choices=form.choices,
                is_blind=data["is_blind"],
                tags=data["tags"],
                attachments=[file.pk for file in files],
                request=request,
                **form.settings.changes,
            )
            return redirect("compare:detail", comparison.pk)
        except ValidationError as error:
            form.prompt.add_error(None, list(error.messages))
        except KeyUnreadable:
            form.prompt.add_error(None, _("The provider's stored key cannot be read."))
    if problems:
        form.prompt.add_error(None, problems)
    return _index(request, form, UNPROCESSABLE, files, asked_for(request))


def _blank(request: HttpRequest, user: User, models: list[ProviderModel]) -> HttpResponse:
    """`?prompt=`, `?model=` and `?knowledge_base=` (several times); `?from=`: a comparison again,
    with the files of its question and its knowledge bases."""
    again = _made_again(request, user)
    asked = _first_question(again) if again else None
    prompt = request.GET.get("prompt", "")[: services.CONTENT_MAX_CHARS]
    form = StartForm(
        owner=user,
        models=models,
        prompt=prompt or (asked.content if asked else ""),
        picked=_picked(request, user, models, again),
    )
    files = list(asked.attachments.all()) if asked else []
    kept = [base.pk for base in grounding.still_readable(user, again)] if again else None
    return _index(request, form, files=files, bases=asked_for(request) if kept is None else kept)


def _index(
    request: HttpRequest,
    form: StartForm,
    status: int = 200,
    files: Sequence[Attachment] = (),
    bases: Sequence[int] = (),
) -> HttpResponse:
    user, wanted = current_user(request), request.GET.get("q", "").strip()[:200]
    is_shared = request.GET.get("of") == "shared"
    rows = Comparison.objects.select_related("owner")
    rows = rows.readable_by(user).exclude(owner=user) if is_shared else rows.for_user(user)
    rows = rows.search(wanted) if wanted else rows
    rows = rows.prefetch_related("tag_rows", "votes__best", "columns__session__model__provider")
    context = {
        "form": form,
        "has_models": len(form.places[0].fields["model"].choices) > 1,  # type: ignore[attr-defined]
        "shown_at_first": COLUMNS_MIN,
        "page": Paginator(rows, COMPARISONS_PER_PAGE).get_page(request.GET.get("page")),
        "q": wanted,
        "is_shared": is_shared,
        "files": files,
        "limits": attachments.LIMITS,
        **listed(user, None, bases),
    }
    return render(request, "chat/comparison/index.html", context, status=status)


def _made_again(request: HttpRequest, user: User) -> Comparison | None:
    """The one that `?from=` names."""
    if "from" not in request.GET:
        return None
    return owned_or_404(Comparison.objects.readable_by(user), pk=request.GET["from"])


def _picked(
    request: HttpRequest, user: User, models: list[ProviderModel], again: Comparison | None
) -> list[dict[str, Any]]:
    """The places: `?model=` several times, those of the one that is made again, the models of the
    last comparison, or the first two there are."""
    wanted = [number_of(text) for text in request.GET.getlist("model")]
    picked = [{"model": pk} for pk in wanted if pk]
    last = again or Comparison.objects.for_user(user).first()
    if not picked and last is not None:
        picked = _places_of(last)
    usable = {model.pk for model in models}
    picked = [each for each in picked if each["model"] in usable][:COLUMNS_MAX]
    return picked or [{"model": model.pk} for model in models[:COLUMNS_MIN]]


def _first_question(comparison: Comparison) -> Message | None:
    turns = Shown(comparison, comparison.owner).sides[0].turns
    return turns[0].message if turns else None


def _places_of(comparison: Comparison) -> list[dict[str, Any]]:
    """Of a blind one in an order that tells nothing, and without what is a model's own."""
    sides = Shown(comparison, comparison.owner).sides
    places = [{"model": side.column.session.model_id, **side.own} for side in sides]
    return sorted(places, key=lambda each: each["model"] or 0) if comparison.is_masked else places
