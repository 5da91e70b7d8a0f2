"""What the usage page shows: its filters, the figures on top, columns by day, the table."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from django import forms
from django.core.paginator import Page, Paginator
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from accounts.models import User
from llmplatform.charts import Bar, bars
from llmplatform.text import money
from providers.usage import (
    Key,
    Names,
    Period,
    Usage,
    by_size,
    folded,
    last_days,
    records_of,
    summed,
    today,
    total,
)

WEEK, MONTH, THIS_MONTH, RANGE = "7", "30", "month", "range"
PERIODS = [
    (WEEK, gettext_lazy("7 days")),
    (MONTH, gettext_lazy("30 days")),
    (THIS_MONTH, gettext_lazy("This month")),
    (RANGE, gettext_lazy("From … to …")),
]
BY = [
    ("day", gettext_lazy("Day")),
    ("user", gettext_lazy("User")),
    ("key", gettext_lazy("Key")),
    ("model", gettext_lazy("Model")),
    ("provider", gettext_lazy("Provider")),
]
COLUMNS = (
    *(gettext_lazy("Calls"), gettext_lazy("Failed"), gettext_lazy("Refused")),
    *(gettext_lazy("Prompt"), gettext_lazy("Completion")),
    *(gettext_lazy("Reasoning"), gettext_lazy("Cached")),
)
PAGE_ROWS = 25
COLOURS = 4  # the largest groups have one each
REST, REFUSED = "rest", "refused"


class UsageForm(forms.Form):
    """GET parameters: period (with from and to), by, user. Everything may be left out."""

    period = forms.ChoiceField(label=gettext_lazy("Period"), choices=PERIODS, required=False)
    by = forms.ChoiceField(label=gettext_lazy("Group by"), choices=BY, required=False)
    user = forms.CharField(
        label=gettext_lazy("User"),
        max_length=254,
        required=False,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )

    def __init__(self, data: Any, *, viewer: User) -> None:
        usual = {"period": MONTH, "by": "day", "user": "", "from": "", "to": ""}
        super().__init__({name: data.get(name, usual[name]) for name in usual})
        self.viewer = viewer
        for name, label in (("from", _("From")), ("to", _("To"))):
            picker = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(
                label=label, required=False, widget=picker, input_formats=["%Y-%m-%d"]
            )
        self.order_fields(("period", "from", "to", "by", "user"))
        if not viewer.is_admin:
            del self.fields["user"]

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = self.cleaned_data
        if not self.errors:
            data["records"] = records_of(self.viewer, data.get("user", ""))
            data["period"] = self._period(data)
        return data

    def _period(self, data: dict[str, Any]) -> Period:
        chosen = data["period"] or MONTH
        if chosen == RANGE:
            return Period.between(data["from"], data["to"])
        if chosen == THIS_MONTH:
            return Period.between(today().replace(day=1), today())
        return last_days(int(chosen))

    @property
    def by_chosen(self) -> str:
        return str(self.cleaned_data["by"] or "day")

    @property
    def by_label(self) -> str:
        return str(dict(BY)[self.by_chosen])


def cost_text(usage: Usage) -> str:
    """Every currency for itself; a dash where nothing is known."""
    shown = [money(cost, currency) for currency, cost in sorted(usage.cost.items())]
    return " + ".join(shown) or "–"


def count_text(number: int | None) -> str:
    return "–" if number is None else f"{number:,}"


@dataclass(frozen=True)
class Row:
    """One line of a table; `share` is its part of all calls in percent."""

    label: str
    usage: Usage
    share: float
    note: str = ""

    @property
    def figures(self) -> list[tuple[str, str]]:
        """One of each of COLUMNS, with its name."""
        usage = self.usage
        calls = (usage.calls, usage.failed, usage.refused)
        tokens = (usage.prompt_tokens, usage.completion_tokens, usage.reasoning_tokens)
        texts = [count_text(n) for n in (*calls, *tokens, usage.cached_tokens)]
        return list(zip(map(str, COLUMNS), texts, strict=True))

    @property
    def cost(self) -> str:
        return cost_text(self.usage)


@dataclass(frozen=True)
class Chart:
    label: str
    total: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Shown:
    """`rows`: a page of the table, to which `rest`, if there is more, adds what is on its other
    pages. `legend`: colour and name of the parts that columns are made of."""

    total: Usage
    rows: Page[Row]
    rest: Row | None
    days: list[Row]
    charts: list[Chart]
    legend: list[tuple[str, str]]
    first: date
    last: date

    columns = COLUMNS

    @property
    def cost(self) -> str:
        return cost_text(self.total)

    @property
    def figures(self) -> list[tuple[str, str]]:
        usage = self.total
        return [
            (_("Calls"), count_text(usage.calls)),
            (_("Failed"), count_text(usage.failed)),
            (_("Refused"), count_text(usage.refused)),
            (_("Prompt tokens"), count_text(usage.prompt_tokens)),
            (_("Completion tokens"), count_text(usage.completion_tokens)),
            (_("of these reasoning"), count_text(usage.reasoning_tokens)),
            (_("Prompt tokens from the cache"), count_text(usage.cached_tokens)),
        ]


def label_of(group: str, value: Any, names: Names) -> str:
    if group == "day":
        return date_format(value, "Y-m-d")
    if group == "user":
        return names.users.get(value) or _("Deleted user")
    if group == "key":
        return names.keys.get(value) or _("Without a key")
    return str(value) or _("Unknown")


def shown(records: Any, period: Period, by: str, page: str = "1") -> Shown:
    """One pass over the calls, by day and `by`; everything else is added up from that."""
    dimensions = ("day",) if by == "day" else ("day", by)
    found = summed(records, period, dimensions)
    by_day, grouped = folded(found, 0), folded(found, len(dimensions) - 1)
    names = Names.in_keys(grouped, (by,))
    whole = total(by_day.values())

    def row(key: Key, usage: Usage, group: str) -> Row:
        share = usage.calls / whole.calls * 100
        return Row(label_of(group, key[0], names), usage, share)

    ordered = by_size(grouped, (by,))
    days = [row(key, usage, "day") for key, usage in by_size(by_day, ("day",))][::-1]
    rows = days if by == "day" else [row(key, usage, by) for key, usage in ordered]
    part = Paginator(rows, PAGE_ROWS).get_page(page)
    largest = {} if by == "day" else _coloured([key for key, _usage in ordered])
    legend = [(largest[key], label_of(by, key[0], names)) for key in list(largest)[:COLOURS]]
    if len(largest) > COLOURS:
        legend.append((REST, _("The rest")))
    if whole.refused:
        legend += [] if legend else [("1", _("Asked a provider"))]
        legend.append((REFUSED, _("Refused")))
    charts = list(_charts(found, period, whole, largest))
    return Shown(
        whole, part, _rest(part, rows, whole), days, charts, legend, period.first, period.last
    )


def _rest(part: Page[Row], rows: list[Row], whole: Usage) -> Row | None:
    """All the others in one line, so that every page adds up to the whole."""
    others = rows[: part.start_index() - 1] + rows[part.end_index() :]
    if not others:
        return None
    text = ngettext("%(count)d other", "%(count)d others", len(others)) % {"count": len(others)}
    usage = total(row.usage for row in others)
    return Row(text, usage, usage.calls / whole.calls * 100)


def _coloured(keys: list[Key]) -> dict[Key, str]:
    return {key: str(n + 1) if n < COLOURS else REST for n, key in enumerate(keys)}


Value = Callable[[Usage], float | None]


def _charts(
    found: dict[Key, Usage], period: Period, whole: Usage, colours: dict[Key, str]
) -> Iterator[Chart]:
    by_colour: dict[date, dict[str, Usage]] = {day: {} for day in period.days}
    for key, usage in found.items():
        parts = by_colour[key[0]]
        parts.setdefault(colours.get(key[1:], "1"), Usage()).add(usage)

    def drawn(
        value: Value, text: Callable[[Usage], str], apart: Value | None = None
    ) -> tuple[Bar, ...]:
        columns = []
        for day, parts in by_colour.items():
            whole_day = total(parts.values())
            title = f"{date_format(day, 'Y-m-d')}: {text(whole_day)}"
            stack = [(colour, value(usage)) for colour, usage in sorted(parts.items())]
            if apart is not None:
                stack.append((REFUSED, apart(whole_day)))
            columns.append((title, stack))
        return bars(columns)

    yield Chart(
        _("Calls by day"),
        count_text(whole.calls),
        drawn(lambda usage: usage.calls - usage.refused, _calls_text, lambda usage: usage.refused),
    )
    yield Chart(
        _("Tokens by day"),
        count_text(whole.tokens),
        drawn(lambda usage: usage.tokens, lambda usage: count_text(usage.tokens)),
    )
    for currency, cost in sorted(whole.cost.items()):
        yield Chart(
            _("Cost by day, %(currency)s") % {"currency": currency},
            money(cost, currency),
            drawn(*_in_currency(currency)),
        )


def _calls_text(usage: Usage) -> str:
    if not usage.refused:
        return count_text(usage.calls)
    told = {"calls": count_text(usage.calls), "refused": count_text(usage.refused)}
    return _("%(calls)s, of these %(refused)s refused") % told


def _in_currency(currency: str) -> tuple[Value, Callable[[Usage], str]]:
    def value(usage: Usage) -> float | None:
        cost = usage.cost.get(currency)
        return None if cost is None else float(cost)

    def text(usage: Usage) -> str:
        return money(usage.cost.get(currency, Decimal(0)), currency)

    return value, text
