"""The content security policy of a response: strict, and the console's own under its prefix."""

from typing import Any

from csp.constants import SELF, UNSAFE_EVAL, UNSAFE_INLINE
from csp.middleware import CSPMiddleware, PolicyParts
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.urls import reverse

# unfold's Alpine evaluates expressions and sets style attributes. No script element is inline.
CONSOLE = {"script-src": [SELF, UNSAFE_EVAL], "style-src": [SELF, UNSAFE_INLINE]}


class PolicyMiddleware(CSPMiddleware):
    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        parts: PolicyParts = super().get_policy_parts(request, response, report_only)
        if not report_only and _is_console(request):
            replaced: dict[str, Any] = {**CONSOLE, **(parts.replace or {})}
            parts.replace = replaced
        return parts


def _is_console(request: HttpRequest) -> bool:
    return request.path_info.startswith(reverse("admin:index"))
