"""Values that other apps hand to this one."""

from dataclasses import dataclass

from django.conf import settings


@dataclass(frozen=True)
class Notice:
    """`path`: of the page it is about. `level`: success, warning, error or info."""

    title: str
    text: str
    path: str = ""
    level: str = "info"

    @property
    def url(self) -> str:
        origin = (settings.CSRF_TRUSTED_ORIGINS or [""])[0]
        return f"{origin}{self.path}" if origin and self.path else ""
