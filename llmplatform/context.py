"""What the frame needs on every page: theme and side bar."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse

from accounts.models import Theme, User, UserNotice
from llmplatform.navigation import GROUPS


def shell(request: HttpRequest) -> dict[str, Any]:
    user = getattr(request, "user", None)
    theme = getattr(user, "theme", "") or request.COOKIES.get("theme", "")
    return {
        "theme": theme if theme in Theme.values else Theme.SYSTEM,
        "navigation": _navigation(request, user) if isinstance(user, User) else [],
        # Called only by templates that have the bell.
        "unread_notices": lambda: _unread(user),
    }


def _unread(user: object) -> int:
    return UserNotice.objects.for_user(user).unread().count() if isinstance(user, User) else 0


def _navigation(request: HttpRequest, user: User) -> list[dict[str, Any]]:
    groups = []
    for group in GROUPS:
        items = []
        for entry in group.entries:
            if entry.admins_only and not user.is_admin:
                continue
            url = reverse(entry.url_name)
            items.append(
                {
                    "label": entry.label,
                    "url": url,
                    "icon": entry.icon,
                    "is_current": request.path.startswith(url),
                }
            )
        if items:
            groups.append({"label": group.label, "items": items})
    return groups
