"""Knowledge bases of a chat: the list beside it, the ones offered under `@`, choosing."""

import uuid
from collections.abc import Collection
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user
from accounts.models import User
from chat import grounding, services
from chat.models import ChatSession
from chat.views.places import chat_of
from knowledge.models import Base
from llmplatform.text import number_of

LISTED_MAX, OFFERED_MAX = 50, 20


def asked_for(request: HttpRequest) -> list[int]:
    """What a form or a link names; what is no number is nobody's."""
    values = request.POST if request.method == "POST" else request.GET
    names = ("knowledge_bases", "knowledge_base")
    return [number_of(text) or 0 for name in names for text in values.getlist(name)]


def wanted_by(request: HttpRequest, chat: ChatSession | None) -> list[int]:
    """Of a chat that does not exist yet: those in its form, or in the link to it."""
    return [] if chat is not None else asked_for(request)


def listed(user: User, chat: ChatSession | None, wanted: Collection[int]) -> dict[str, Any]:
    """For the page: the bases to choose from, the chosen ones among them, and what is gone.
    `wanted`: those of a chat that does not exist yet."""
    chosen = chat.searched_bases if chat is not None and not wanted else list(wanted)
    rows = Base.objects.for_user(user)
    newest = rows.order_by("-updated_at").values_list("pk", flat=True)[:LISTED_MAX]
    shown = rows.filter(pk__in={*newest, *chosen}).counted()
    bases = sorted(shown, key=lambda base: (base.pk not in chosen, base.name.lower()))
    return {
        "bases": bases,
        "chosen_bases": [base for base in bases if base.pk in chosen],
        "gone_bases": chat.gone_knowledge_bases if chat is not None else [],
    }


@require_safe
def offered(request: HttpRequest) -> HttpResponse:
    """Those whose name or description has the words of `?q=`."""
    words = request.GET.get("q", "")[:100]
    rows = Base.objects.for_user(current_user(request)).matching(words)
    found = rows.counted().order_by("-updated_at")[:OFFERED_MAX]
    return render(request, "chat/base_options.html", {"bases": found})


@require_POST
def choose(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    """These and no others; for the page's own script."""
    chat, user = chat_of(request, session_id), current_user(request)
    try:
        bases = grounding.readable(user, asked_for(request))
    except ValidationError as error:
        context = {"problems": error.messages}
        return render(request, "chat/problems.html", context, status=422)
    services.change_session(session=chat, actor=user, request=request, knowledge_bases=bases)
    return HttpResponse(status=204)
