"""A record as tokens with its loss mask."""

from typing import Any

from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import current_user, owned_or_404
from llmplatform.text import number_of
from training import datasets
from training.dataset_forms import TokensForm
from training.models import Dataset
from training.tokens import DEFAULT_CUTOFF, Tokens, tokens_of, wanted_for


@require_safe
def tokens(request: HttpRequest, dataset_id: int) -> HttpResponse:
    """`record`: its number in the stored file, from 1. Asks again while they are being made."""
    user = current_user(request)
    dataset = owned_or_404(Dataset.objects.for_user(user), pk=dataset_id)
    number = _number(request, dataset)
    form = _form(request, dataset)
    shown = _tokens(dataset, number, form) if form.is_bound and form.is_valid() else None
    is_wrong = form.is_bound and bool(form.errors)
    turns = datasets.turns_of(dataset, datasets.records_of(dataset)[number - 1 : number])
    context = {
        "dataset": dataset,
        "number": number,
        "form": form,
        "tokens": shown,
        "turns": turns[0] if turns else [],
        "query": _query(request),
    }
    part = "#tokens" if request.headers.get("HX-Request") else ""
    status = 422 if is_wrong else 200
    return render(request, f"training/dataset_tokens.html{part}", context, status=status)


def _number(request: HttpRequest, dataset: Dataset) -> int:
    text = request.GET.get("record", "1")
    number = number_of(text, 9) or 0
    if not 1 <= number <= len(datasets.records_of(dataset)):
        raise Http404
    return number


def _form(request: HttpRequest, dataset: Dataset) -> TokensForm:
    """Before anything is chosen it stands for the first base model."""
    user = current_user(request)
    data: Any = request.GET if "base_model" in request.GET else None
    form = TokensForm(data, user=user, dataset=dataset)
    models = form.fields["base_model"].queryset  # type: ignore[attr-defined]
    first = models.first()
    if data is None and first is not None:
        data = {"base_model": first.pk, "cutoff_len": DEFAULT_CUTOFF}
        return TokensForm(data, user=user, dataset=dataset)
    return form


def _tokens(dataset: Dataset, number: int, form: TokensForm) -> Tokens | None:
    try:
        return tokens_of(dataset, number - 1, wanted_for(dataset, **form.cleaned_data))
    except ValidationError as error:
        for name, messages in error.message_dict.items():
            form.add_error(name, messages)
    return None


def _query(request: HttpRequest) -> str:
    """What is chosen, for the links to other records."""
    query = request.GET.copy()
    query.pop("record", None)
    return query.urlencode()
