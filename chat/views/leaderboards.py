"""The leaderboard of votes."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.access import current_user
from chat import leaderboard as votes


@require_safe
def leaderboard(request: HttpRequest) -> HttpResponse:
    """`?tag=` and `?blind=1` narrow the votes that count."""
    user, tag = current_user(request), request.GET.get("tag", "").strip()[:40]
    is_blind_only = request.GET.get("blind") == "1"
    context = {
        "board": votes.board(user, tag=tag, is_blind_only=is_blind_only),
        "tags": votes.tags_for(user),
        "tag": tag,
        "is_blind_only": is_blind_only,
        "votes_min": votes.VOTES_MIN,
    }
    return render(request, "chat/comparison/leaderboard.html", context)
