"""Forms of batch comparisons."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.batches import files, sources
from chat.batches import services as batches
from chat.batches.checks import CheckKind
from chat.batches.questions import PROMPTS_MAX, Reading
from chat.forms import grouped
from chat.models import Batch, BatchSource
from chat.schemas import PROMPT_MAX_CHARS
from prompts.models import Prompt
from providers.models import ProviderModel
from training.models import Dataset

FIELD_OF = {
    BatchSource.TYPED: "text",
    BatchSource.FILE: "file",
    BatchSource.DATASET: "dataset",
    BatchSource.PROMPT: "values",
    BatchSource.BATCH: "source",
}
NO_MODEL = _("Choose a model that is available.")


def _when(source: BatchSource, **attributes: Any) -> dict[str, Any]:
    return {"data-when": f"source={source}", **attributes}


class BatchForm(forms.Form):
    """What to ask, whom, and how answers are looked at; `wanted` is for batches.create."""

    name = forms.CharField(label=_("Name"), max_length=batches.NAME_CHARS)
    models = forms.MultipleChoiceField(
        label=_("Models"),
        widget=forms.CheckboxSelectMultiple,
        help_text=_("One to six. Each answers every prompt."),
        error_messages={"invalid_choice": NO_MODEL},
    )
    source = forms.ChoiceField(label=_("Prompts from"))
    text = forms.CharField(
        label=_("Prompts"),
        required=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs=_when(BatchSource.TYPED, rows=8)),
        help_text=_(
            "One a line. Write => and the answer you expect behind a prompt if there is a right "
            "one."
        ),
    )
    file = forms.FileField(
        label=_("File"),
        required=False,
        widget=forms.FileInput(attrs=_when(BatchSource.FILE, accept=",".join(files.SUFFIXES))),
        help_text=_(
            "TXT with a prompt a line; CSV whose first line names the columns prompt, reference "
            "and system; JSON or JSONL with the same names or with messages."
        ),
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        label=_("Dataset"),
        required=False,
        empty_label=_("Choose a dataset"),
        widget=forms.Select(attrs=_when(BatchSource.DATASET)),
        help_text=_("Its last question is asked; the answer behind it becomes the reference."),
    )
    limit = forms.IntegerField(
        label=_("Records at most"),
        required=False,
        min_value=1,
        max_value=PROMPTS_MAX,
        initial=100,
        widget=forms.NumberInput(attrs=_when(BatchSource.DATASET)),
    )
    prompt = forms.ModelChoiceField(
        Prompt.objects.none(),
        label=_("Prompt"),
        required=False,
        empty_label=_("Choose a prompt"),
        widget=forms.Select(attrs=_when(BatchSource.PROMPT)),
    )
    values = forms.CharField(
        label=_("Values"),
        required=False,
        strip=False,
        max_length=2_000_000,
        widget=forms.Textarea(attrs=_when(BatchSource.PROMPT, rows=6)),
        help_text=_(
            "As CSV: the first line names the variables, each further line gives their values. A "
            "column called reference holds the expected answers."
        ),
    )
    origin = forms.CharField(required=False, widget=forms.HiddenInput)
    system_prompt = forms.CharField(
        label=_("System prompt"),
        required=False,
        max_length=PROMPT_MAX_CHARS,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("Empty: the prompt's own, else the model's own."),
    )
    temperature = forms.FloatField(
        label=_("Temperature"),
        min_value=0,
        max_value=2,
        required=False,
        widget=forms.NumberInput(attrs={"step": "0.1"}),
    )
    max_tokens = forms.IntegerField(
        label=_("Longest answer (tokens)"),
        min_value=1,
        max_value=1_000_000,
        required=False,
        help_text=_("With a limit the cost is known before the start."),
    )
    calls_at_once = forms.IntegerField(
        label=_("Calls at once to a provider"),
        min_value=1,
        max_value=batches.CALLS_MAX,
        initial=batches.USUAL_CALLS,
    )
    contains = forms.CharField(
        label=_("Must contain"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        help_text=_("One a line; capitals do not matter."),
    )
    not_contains = forms.CharField(
        label=_("Must not contain"), required=False, widget=forms.Textarea(attrs={"rows": 2})
    )
    regex = forms.CharField(
        label=_("Must match the pattern"),
        required=False,
        strip=False,
        help_text=_("A regular expression that is found anywhere in the answer."),
    )
    max_chars = forms.IntegerField(
        label=_("Characters at most"), required=False, min_value=1, max_value=1_000_000
    )
    is_json = forms.BooleanField(label=_("Must be JSON"), required=False)
    contains_reference = forms.BooleanField(label=_("Must contain the reference"), required=False)
    equals_reference = forms.BooleanField(label=_("Must equal the reference"), required=False)
    judge = forms.TypedChoiceField(
        label=_("Judge"),
        required=False,
        coerce=int,
        empty_value=None,
        help_text=_("A model that gives each answer a score. Its calls are paid like all others."),
        error_messages={"invalid_choice": NO_MODEL},
    )
    rubric = forms.CharField(
        label=_("Rubric"),
        required=False,
        max_length=batches.RUBRIC_CHARS,
        widget=forms.Textarea(attrs={"rows": 3, "data-when": "judge"}),
        help_text=_("What 10 and 1 stand for. Left empty, correctness decides."),
    )

    groups = {
        "asked": ("source", "text", "file", "dataset", "limit", "prompt", "values"),
        "settings": ("system_prompt",),
        "numbers": ("temperature", "max_tokens", "calls_at_once"),
        "texts": ("contains", "not_contains", "regex", "max_chars"),
        "ticks": ("is_json", "contains_reference", "equals_reference"),
        "judging": ("judge", "rubric"),
    }

    def __init__(
        self,
        *args: Any,
        user: User,
        offered: Iterable[ProviderModel],
        origin: Batch | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._offered, self._origin = {model.pk: model for model in offered}, origin
        choices = grouped(self._offered.values())
        flat = [choice for _provider, rows in choices for choice in rows]
        sources = [each for each in BatchSource if each != BatchSource.BATCH or origin]
        fields: dict[str, Any] = self.fields
        fields["models"].choices = flat
        fields["judge"].choices = [("", _("No judge")), *choices]
        fields["source"].choices = [(each.value, each.label) for each in sources]
        fields["dataset"].queryset = Dataset.objects.for_user(user)
        fields["prompt"].queryset = Prompt.objects.for_user(user)

    def group(self, name: str) -> list[forms.BoundField]:
        return [self[field] for field in self.groups[name]]

    def opened(self) -> dict[str, bool]:
        """Which folds have something in them that is to be seen."""
        folds = {
            "open_settings": (*self.groups["settings"], "temperature", "max_tokens"),
            "open_checks": (*self.groups["texts"], *self.groups["ticks"]),
            "open_judge": self.groups["judging"],
        }
        return {
            fold: any(self[name].value() or self[name].errors for name in names)
            for fold, names in folds.items()
        }

    def clean_models(self) -> list[ProviderModel]:
        chosen = [self._offered[int(pk)] for pk in self.cleaned_data["models"]]
        if len(chosen) > batches.MODELS_MAX:
            text = _("Choose one to %(count)d different models.")
            raise ValidationError(text, params={"count": batches.MODELS_MAX})
        return chosen

    def clean(self) -> None:
        source = self.cleaned_data.get("source")
        if source in BatchSource.values and not self.errors:
            self.reading, self.label = self._read(BatchSource(source))

    def _read(self, source: BatchSource) -> tuple[Reading, str]:
        given = self.cleaned_data
        if source == BatchSource.TYPED:
            return sources.from_lines(given["text"]), ""
        if source == BatchSource.FILE:
            file = self._needed("file", _("Choose a file."))
            content = file.read(files.FILE_BYTES + 1)
            return files.from_file(file.name, content), file.name
        if source == BatchSource.DATASET:
            dataset = self._needed("dataset", _("Choose a dataset."))
            limit = given.get("limit") or PROMPTS_MAX
            return sources.from_dataset(dataset, limit=limit), dataset.name
        if source == BatchSource.PROMPT:
            prompt = self._needed("prompt", _("Choose a prompt."))
            return sources.from_prompt(prompt, given["values"]), prompt.title
        assert self._origin is not None
        return batches.reading_of(self._origin), self._origin.name

    def _needed(self, name: str, text: Any) -> Any:
        if not self.cleaned_data.get(name):
            raise ValidationError({name: [text]})
        return self.cleaned_data[name]

    def wanted(self) -> dict[str, Any]:
        given = self.cleaned_data
        parameters = {name: given[name] for name in ("temperature", "max_tokens")}
        return {
            "name": given["name"],
            "models": given["models"],
            "reading": self.reading,
            "source": given["source"],
            "source_label": self.label,
            "system_prompt": given["system_prompt"],
            "parameters": {name: to for name, to in parameters.items() if to is not None},
            "checks": self._checks(),
            "judge": self._offered.get(given["judge"]) if given["judge"] else None,
            "rubric": given["rubric"],
            "calls_at_once": given["calls_at_once"],
            "repeat_of": self._origin if given["source"] == BatchSource.BATCH else None,
        }

    def refuse(self, error: ValidationError) -> None:
        """What batches.create says, beside the fields that it is about."""
        fields = {"source": FIELD_OF[self.cleaned_data["source"]], "checks": "regex"}
        for name, problems in error.error_dict.items():
            self.add_error(fields.get(name, name), problems)

    def _checks(self) -> list[dict[str, Any]]:
        given, found = self.cleaned_data, []
        for kind in (CheckKind.CONTAINS, CheckKind.NOT_CONTAINS):
            lines = [line.strip() for line in given[kind].splitlines() if line.strip()]
            found += [{"kind": kind.value, "value": line} for line in lines]
        for kind in (CheckKind.REGEX, CheckKind.MAX_CHARS):
            if given[kind]:
                found.append({"kind": kind.value, "value": given[kind]})
        ticks = (CheckKind.IS_JSON, CheckKind.EQUALS, CheckKind.HOLDS)
        return [*found, *({"kind": kind.value} for kind in ticks if given[kind])]


def initial_of(batch: Batch) -> dict[str, Any]:
    """For running it again: everything as it was."""
    lines: dict[str, Any] = {CheckKind.CONTAINS: [], CheckKind.NOT_CONTAINS: []}
    other: dict[str, Any] = {}
    for check in batch.checks:
        if check["kind"] in lines:
            lines[check["kind"]].append(check["value"])
        else:
            other[check["kind"]] = check.get("value", True)
    return {
        "name": batch.name,
        "models": list(batch.columns.values_list("model_id", flat=True)),
        "source": BatchSource.BATCH,
        "origin": str(batch.pk),
        "system_prompt": batch.system_prompt,
        "calls_at_once": batch.calls_at_once,
        "judge": batch.judge_id,
        "rubric": batch.rubric,
        **batch.parameters,
        **{kind: "\n".join(texts) for kind, texts in lines.items()},
        **other,
    }
