"""A knowledge base of Dify as one of ours: choose one of those that a connection shows."""

import logging

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.access import current_user
from accounts.models import User
from knowledge import bases, dify_source
from knowledge.forms import DifyBaseForm
from knowledge.views.library import UNPROCESSABLE
from llmplatform.audited_admin import put_on

logger = logging.getLogger(__name__)


@require_http_methods(["GET", "HEAD", "POST"])
def connect(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    connections = list(dify_source.connections(user))
    choices, problems = dify_source.offered(connections)
    form = DifyBaseForm(request.POST or None, choices=choices)
    if form.is_bound and form.is_valid():
        made = _connected(request, user, form)
        if made is not None:
            return redirect("knowledge:try", made)
    context = {
        "form": form,
        "connections": connections,
        "has_choices": bool(choices),
        "problems": problems,
    }
    status = UNPROCESSABLE if form.errors else 200
    return render(request, "knowledge/dify.html", context, status=status)


def _connected(request: HttpRequest, user: User, form: DifyBaseForm) -> int | None:
    provider_id, _colon, dataset_id = form.cleaned_data["dataset"].partition(":")
    provider = dify_source.connections(user).get(pk=provider_id)
    try:
        made = bases.create_base(
            owner=user,
            provider=provider,
            dataset_id=dataset_id,
            name=form.cleaned_data["name"],
            request=request,
        )
    except ValidationError as error:
        put_on(form, error)
        return None
    return made.pk
