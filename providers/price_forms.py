"""Forms of the price table."""

from decimal import Decimal
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from providers.json_field import JsonObjectField
from providers.models import Currency, ModelPrice
from providers.own_prices import rate_text
from providers.presets import PRESETS
from providers.price_import import RATES
from providers.prices import ANY
from providers.rates import NAMES
from providers.table_prices import RATE_FIELDS, Filters, today

MOST_TIERS = 6
EDITED = (("", _("Everything")), ("yes", _("Entered by a person")), ("no", _("From a list")))
RATE_LABELS = {
    "input": _("Input"),
    "output": _("Output"),
    "cached_input": _("Cached input"),
    "cache_write": _("Cache write"),
    "reasoning": _("Reasoning"),
}
RATE_HELP = {
    "cached_input": _("Empty: as input."),
    "cache_write": _("Empty: as input."),
    "reasoning": _("Empty: as output."),
}


def provider_choices() -> list[tuple[str, str]]:
    return [(preset.slug, str(preset.name)) for preset in PRESETS if preset.slug != "echo"]


class FilterForm(forms.Form):
    """GET parameters; everything may be left out."""

    q = forms.CharField(
        label=_("Search"),
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off"}),
    )
    provider = forms.ChoiceField(label=_("Provider"), required=False)
    currency = forms.ChoiceField(
        label=_("Currency"), choices=[("", _("Every currency")), *Currency.choices], required=False
    )
    entered = forms.ChoiceField(label=_("Entered"), choices=EDITED, required=False)
    history = forms.BooleanField(label=_("Earlier prices, too"), required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["provider"]
        assert isinstance(field, forms.ChoiceField)
        every = [("", gettext("All")), (ANY, gettext("For every provider"))]
        field.choices = [*every, *provider_choices()]

    @property
    def filters(self) -> Filters:
        """What is no choice filters nothing."""
        if not self.is_valid():
            return Filters()
        data = self.cleaned_data
        return Filters(
            q=data["q"],
            provider=data["provider"],
            currency=data["currency"],
            is_edited={"yes": True, "no": False}.get(data["entered"]),
            is_current=not data["history"],
        )


def _rate(label: Any, help_text: Any = "") -> forms.DecimalField:
    attrs = {"min": "0", "step": "any", "inputmode": "decimal"}
    return forms.DecimalField(
        label=label,
        help_text=help_text,
        required=False,
        min_value=Decimal(0),
        max_digits=16,
        decimal_places=6,
        widget=forms.NumberInput(attrs=attrs),
    )


class TablePriceForm(forms.Form):
    """A price from a day on. Rates are per million tokens."""

    provider_slug = forms.ChoiceField(
        label=_("Provider"), help_text=_("Whose price list it is, whatever the connection's name.")
    )
    model_pattern = forms.CharField(
        label=_("Model id"),
        max_length=200,
        help_text=_("The exact id, or a pattern in which * stands for anything."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    valid_from = forms.DateField(
        label=_("Valid from"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        help_text=_("Today or later. Calls of earlier days keep what they cost."),
    )
    currency = forms.ChoiceField(label=_("Currency"), choices=Currency.choices)
    per_query = _rate(_("Per search query"), _("For rerankers that count queries."))
    off_peak = JsonObjectField(
        label=_("Off-peak hours"),
        help_text=_(
            "Other rates at certain hours, for example "
            '{"input": 1, "windows_utc": [{"weekdays_1_is_monday": [6, 7], '
            '"hours": ["16:30-00:30"]}]}.'
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["provider_slug"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(ANY, gettext("For every provider")), *provider_choices()]
        for name in RATES:
            help_text = RATE_HELP.get(name, "")
            self.fields[f"{name}_per_mtok"] = _rate(RATE_LABELS[name], help_text)

    @property
    def who_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in ("provider_slug", "model_pattern", "valid_from", "currency")]

    @property
    def rate_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in (*RATE_FIELDS, "per_query")]

    @property
    def has_off_peak(self) -> bool:
        return bool(self["off_peak"].value() or self["off_peak"].errors)

    @staticmethod
    def initial_of(row: ModelPrice) -> dict[str, Any]:
        """A new price starts from an earlier one."""
        rates = {name: getattr(row, name) for name in (*RATE_FIELDS, "per_query")}
        shown = {name: rate_text(rate) for name, rate in rates.items() if rate is not None}
        plain = ("provider_slug", "model_pattern", "currency", "off_peak")
        day = max(row.valid_from, today())
        return {name: getattr(row, name) for name in plain} | shown | {"valid_from": day}


class TierForm(forms.Form):
    """Other rates for a whole call whose input is longer."""

    above_input_tokens = forms.IntegerField(
        label=_("Input above, tokens"), min_value=1, max_value=2**31 - 1, required=False
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in NAMES:
            self.fields[name] = _rate(RATE_LABELS[name])

    def clean(self) -> None:
        data = self.cleaned_data
        has_rates = any(data.get(name) is not None for name in NAMES)
        if has_rates and data.get("above_input_tokens") is None and not self.errors:
            self.add_error(
                "above_input_tokens", gettext("Enter from how many tokens on it applies.")
            )
        if data.get("above_input_tokens") is not None and not has_rates and not self.errors:
            self.add_error("input", gettext("Enter at least one rate; 0 is a price."))

    @property
    def tier(self) -> dict[str, Any] | None:
        """As the table keeps it."""
        data = self.cleaned_data
        if data.get("above_input_tokens") is None:
            return None
        rates = {name: float(data[name]) for name in NAMES if data.get(name) is not None}
        return {"above_input_tokens": data["above_input_tokens"], **rates}


class BaseTiers(forms.BaseFormSet[TierForm]):
    def clean(self) -> None:
        starts = [tier["above_input_tokens"] for tier in self.tiers]
        if len(set(starts)) < len(starts):
            raise ValidationError(gettext("Two tiers begin at the same number of tokens."))

    @property
    def tiers(self) -> list[dict[str, Any]]:
        """Smallest first. Of valid forms only."""
        found = [form.tier for form in self.forms if form.is_valid()]
        return sorted(
            (tier for tier in found if tier), key=lambda tier: int(tier["above_input_tokens"])
        )


TierFormSet = forms.formset_factory(
    TierForm, formset=BaseTiers, extra=2, max_num=MOST_TIERS, validate_max=True
)
