"""Forms that make something of a dataset."""

from typing import Any

import orjson
from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training.dataset_changes import same_columns
from training.dataset_conversions import CHAT_FORMATS
from training.dataset_mixes import MAX_WEIGHT, Source
from training.dataset_splits import MAX_SEED
from training.datasets import NAME_CHARS
from training.models import BaseModel, Dataset

MAX_TEXT = 2_000_000
LISTED = 200
MONOSPACE = {"rows": 12, "class": "mono", "spellcheck": "false", "dir": "ltr"}


def as_text(record: Any) -> str:
    return orjson.dumps(record, option=orjson.OPT_INDENT_2).decode()


class RecordForm(forms.Form):
    record = forms.CharField(
        label=_("Record as JSON"),
        max_length=MAX_TEXT,
        strip=False,
        widget=forms.Textarea(attrs=MONOSPACE),
    )

    def clean_record(self) -> Any:
        try:
            return orjson.loads(self.cleaned_data["record"])
        except orjson.JSONDecodeError as error:
            text = gettext("This is not valid JSON (line %(line)d, column %(column)d).")
            place = {"line": error.lineno, "column": error.colno}
            raise ValidationError(text % place) from error


class AppendForm(forms.Form):
    """Pasted records, or a dataset with the same columns."""

    records = forms.CharField(
        label=_("Records"),
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs=MONOSPACE | {"rows": 6}),
        help_text=_("As a JSON array, or one object on each line; at most 1,000."),
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        label=_("Or all records of a dataset"),
        required=False,
        empty_label=_("None"),
    )

    def __init__(self, *args: Any, target: Dataset, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["dataset"]
        assert isinstance(chosen, forms.ModelChoiceField)
        others = Dataset.objects.for_user(user).filter(format=target.format)
        fitting = [row.pk for row in others[:LISTED] if same_columns(target, row)]
        chosen.queryset = Dataset.objects.filter(pk__in=fitting).exclude(pk=target.pk)

    def clean_records(self) -> list[Any]:
        text = self.cleaned_data["records"].strip()
        if not text:
            return []
        try:
            if text.startswith("["):
                return list(orjson.loads(text))
            return [orjson.loads(line) for line in text.splitlines() if line.strip()]
        except orjson.JSONDecodeError as error:
            raise ValidationError(gettext("This is not valid JSON.")) from error


class SplitForm(forms.Form):
    percent = forms.FloatField(
        label=_("For evaluation"),
        initial=10,
        min_value=0.01,
        max_value=50,
        help_text=_("Percent of the records."),
    )
    together = forms.ChoiceField(
        label=_("What stays on one side"),
        choices=[("near", _("Near duplicates")), ("exact", _("Exact duplicates only"))],
        help_text=_("A model that has learnt a question by heart would look better than it is."),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        initial=42,
        min_value=0,
        max_value=MAX_SEED,
        help_text=_("The same seed gives the same parts again."),
    )


class MixForm(forms.Form):
    """A weight for each dataset; those without one are left out."""

    name = forms.CharField(label=_("Name"), max_length=NAME_CHARS)
    seed = forms.IntegerField(label=_("Seed"), initial=42, min_value=0, max_value=MAX_SEED)

    def __init__(self, *args: Any, user: User, first: Dataset | None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        rows = Dataset.objects.for_user(user).current()
        if first is not None:
            fitting = CHAT_FORMATS if first.format in CHAT_FORMATS else (first.format,)
            others = rows.filter(format__in=fitting).exclude(pk=first.pk)
            self.datasets = [first, *others[:LISTED]]
        else:
            self.datasets = list(rows[:LISTED])
        for dataset in self.datasets:
            self.fields[f"weight_{dataset.pk}"] = forms.FloatField(
                label=str(dataset),
                required=False,
                min_value=0,
                max_value=MAX_WEIGHT,
                initial=1 if dataset == first else None,
                widget=forms.NumberInput(attrs={"step": "any", "class": "input"}),
            )

    def rows(self) -> list[tuple[Dataset, forms.BoundField]]:
        return [(dataset, self[f"weight_{dataset.pk}"]) for dataset in self.datasets]

    @property
    def sources(self) -> list[Source]:
        given = ((row, self.cleaned_data.get(f"weight_{row.pk}")) for row in self.datasets)
        return [Source(row, weight) for row, weight in given if weight]

    def clean(self) -> dict[str, Any]:
        if not self.errors and not self.sources:
            raise ValidationError(gettext("Give at least one dataset a weight."))
        return self.cleaned_data


class StatisticsForm(forms.Form):
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(),
        label=_("Count tokens with"),
        required=False,
        empty_label=_("No model: everything but tokens"),
        help_text=_("Tokens are counted by this model's tokenizer and template, as in a training."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        chosen = self.fields["base_model"]
        assert isinstance(chosen, forms.ModelChoiceField)
        chosen.queryset = BaseModel.objects.for_user(user).ready()
