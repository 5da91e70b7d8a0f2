"""Words of the console that nobody else names.

unfold's come without a Chinese translation: here our catalog collects them. And fields that their
models leave to Django's automatic names, which are English, get one that can be translated.
"""

from django.apps import apps
from django.utils.translation import gettext_lazy, ngettext_lazy
from django.utils.translation import gettext_noop as _

TEXTS = (
    _(" By %(filter_title)s "),
    _("Add %(name)s"),
    _("All applications"),
    _("Apply Filters"),
    _("Cancel"),
    _("Click to cancel"),
    _("Date"),
    _("Date from"),
    _("Date to"),
    _("Dark"),
    _("Expand row"),
    _("Filters"),
    _("False"),
    _("General"),
    _("Go back"),
    _("Light"),
    _("Loading more results..."),
    _("More actions"),
    _("Next"),
    _("No data"),
    _("No recent searches"),
    _("No results matching your query"),
    _("Previous"),
    _("Recent searches"),
    _("Reset filters"),
    _("Run"),
    _("Search apps and models..."),
    _("Select action"),
    _("Select action to run"),
    _("Select all %(total_count)s %(module_name)s"),
    _("Select all rows"),
    _("Select record"),
    _("Select value"),
    _("Sorting priority: %(priority_number)s"),
    _("Submit"),
    _("This item will be deleted."),
    _("Toggle password visibility"),
    _("True"),
    _("Type to search"),
)
COUNTED = (ngettext_lazy("%(counter)s result", "%(counter)s results", 0),)

FIELDS = {
    "api_key": gettext_lazy("key"),
    "base_model": gettext_lazy("base model"),
    "completion_tokens": gettext_lazy("completion tokens"),
    "dataset": gettext_lazy("dataset"),
    "duration_ms": gettext_lazy("duration (ms)"),
    "finish_reason": gettext_lazy("finish reason"),
    "job": gettext_lazy("job"),
    "model": gettext_lazy("model"),
    "node": gettext_lazy("node"),
    "owner": gettext_lazy("owner"),
    "port": gettext_lazy("port"),
    "prompt_tokens": gettext_lazy("prompt tokens"),
    "provider": gettext_lazy("provider"),
    "provider_model": gettext_lazy("served as"),
    "session": gettext_lazy("chat"),
    "thinking_ms": gettext_lazy("thinking time (ms)"),
    "ttft_ms": gettext_lazy("time to first token (ms)"),
    "used_at": gettext_lazy("used"),
    "user": gettext_lazy("user"),
    "version": gettext_lazy("model version"),
    "workload": gettext_lazy("what runs"),
}


def name_fields() -> None:
    """Migrations know only the names that models give, so they see no change."""
    for model in apps.get_models():
        for field in model._meta.local_fields:
            is_automatic = getattr(field, "_verbose_name", None) is None
            if is_automatic and field.name in FIELDS:
                field.verbose_name = FIELDS[field.name]
