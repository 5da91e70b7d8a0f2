"""The form of a new training: a field for every parameter, and where and how long it runs."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training import configurations, services
from training.argument_rows import ArgumentRow, default_text, field_of, sweepable_options
from training.arguments import ARGUMENTS, BY_NAME, GROUPS
from training.models import BaseModel, Dataset, Method, ModelVersion, Stage, Strategy
from training.parallel import PRIORITY_HIGH, PRIORITY_LOW, PRIORITY_NORMAL, Sharing
from training.presets import field_text
from training.sweeps import split_values
from training.template_detection import detected_template

STAGE_HELP = {
    Stage.SFT: _("Learn to answer like the examples."),
    Stage.PT: _("Go on reading plain text."),
    Stage.RM: _("Learn to score answers; the result judges, it does not chat."),
    Stage.DPO: _("Prefer the better of two answers."),
    Stage.KTO: _("Learn from thumbs up and down."),
}
METHOD_HELP = {
    Method.LORA: _("A small adapter; the usual choice."),
    Method.QLORA: _("An adapter on a quantised model; least memory."),
    Method.FREEZE: _("Some layers in full."),
    Method.FULL: _("Every weight; most memory."),
}
SWEPT = 3  # parameters of which a sweep tries several values


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _shown(name: str, value: Any) -> Any:
    is_written = name in BY_NAME and isinstance(value, bool | float | dict)
    return field_text(value) if is_written else value


class VersionChoice(forms.ModelChoiceField[ModelVersion]):
    """Versions by model and number."""

    def label_from_instance(self, obj: ModelVersion) -> str:
        return obj.title


class JobForm(forms.Form):
    """A training job. Parameters that don't apply to the chosen stage and method are left out."""

    name = forms.CharField(label=_("Name"), max_length=100)
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), label=_("Base model"), empty_label=_("Choose a model")
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(), label=_("Dataset"), empty_label=_("Choose a dataset")
    )
    eval_dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        label=_("Evaluation dataset"),
        required=False,
        empty_label=_("None of its own"),
        help_text=_("Asked while it trains, never learned from. Else hold out a share below."),
    )
    stage = forms.ChoiceField(
        label=_("Stage"), choices=Stage.choices, initial=Stage.SFT, widget=forms.RadioSelect
    )
    method = forms.ChoiceField(
        label=_("Method"), choices=Method.choices, initial=Method.LORA, widget=forms.RadioSelect
    )
    processes = forms.IntegerField(
        label=_("Devices on each machine"),
        initial=1,
        required=False,
        help_text=_("GPUs, or processes on a machine without. Each works on a batch of its own."),
    )
    nodes = forms.IntegerField(
        label=_("Machines"),
        initial=1,
        required=False,
        help_text=_("All of them start together; they need a folder that they share."),
    )
    strategy = forms.ChoiceField(
        label=_("How they share the model"), choices=Strategy.choices, required=False
    )
    priority = forms.ChoiceField(
        label=_("Priority"),
        initial=PRIORITY_NORMAL,
        required=False,
        help_text=_("Among your own and others' trainings that wait."),
    )
    max_hours = forms.FloatField(
        label=_("Longest time (hours)"),
        required=False,
        help_text=_(
            "It is paused then. Empty: as the settings say; 0: no limit (administrators only)."
        ),
    )
    idle_minutes = forms.IntegerField(
        label=_("Stop when the GPU idles (minutes)"),
        required=False,
        help_text=_("Empty: as the settings say; 0: never (administrators only)."),
    )
    template_title = forms.CharField(
        label=_("Name of the template"), max_length=100, required=False
    )
    start_version = VersionChoice(
        ModelVersion.objects.none(),
        label=_("Go on from"),
        required=False,
        empty_label=_("The base model itself"),
        help_text=_("A version of yours that this training takes further."),
    )
    template_shared = forms.BooleanField(label=_("Share with everyone"), required=False)
    sample_prompts = forms.CharField(
        label=_("Sample prompts"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_(
            "One a line, up to eight. The model answers them at each evaluation, so that you see "
            "what it has learned; set a validation share, or it answers at the start and the end."
        ),
    )
    allow_too_large = forms.BooleanField(label=_("Start all the same"), required=False)

    def __init__(
        self, data: Any = None, *, user: User, initial: dict[str, Any] | None = None
    ) -> None:
        known = {name: _shown(name, value) for name, value in (initial or {}).items()}
        super().__init__(data, initial=known)
        models, datasets = self.fields["base_model"], self.fields["dataset"]
        assert isinstance(models, forms.ModelChoiceField)
        assert isinstance(datasets, forms.ModelChoiceField)
        models.queryset = BaseModel.objects.for_user(user).ready()
        priorities = [(PRIORITY_NORMAL, _("As usual")), (PRIORITY_LOW, _("Let others go first"))]
        if user.is_admin:
            priorities.append((PRIORITY_HIGH, _("Before everybody")))
        priority = self.fields["priority"]
        assert isinstance(priority, forms.ChoiceField)
        priority.choices = priorities
        evaluated = self.fields["eval_dataset"]
        assert isinstance(evaluated, forms.ModelChoiceField)
        datasets.queryset = evaluated.queryset = Dataset.objects.for_user(user)
        versions = self.fields["start_version"]
        assert isinstance(versions, VersionChoice)
        mine = ModelVersion.objects.for_user(user).current()
        versions.queryset = mine.select_related("family")
        for argument in ARGUMENTS:
            self.fields[argument.name] = field_of(argument)
        for number in range(1, SWEPT + 1):
            name = f"swept_{number}"
            self.fields[name] = forms.CharField(label=_("Parameter"), required=False, max_length=60)
            self.fields[f"{name}_values"] = forms.CharField(
                label=_("Values to try"), required=False, max_length=500
            )

    def clean(self) -> dict[str, Any]:
        """A parameter of the sweep has values and stands there once; prompts are few and short."""
        cleaned: dict[str, Any] = super().clean() or {}
        seen: set[str] = set()
        for number in range(1, SWEPT + 1):
            field, values = f"swept_{number}", f"swept_{number}_values"
            name, has_values = cleaned.get(field, ""), bool(cleaned.get(values, "").strip())
            if name and not has_values:
                self.add_error(values, _("Give each parameter at least one value."))
            elif has_values and not name:
                self.add_error(values, _("Choose the parameter that these values are for."))
            elif name in seen:
                self.add_error(values, _("This parameter is already tried above."))
            seen |= {name} - {""}
        try:
            services.clean_prompts(cleaned.get("sample_prompts", "").splitlines())
        except forms.ValidationError as error:
            self.add_error(None, error)
        return cleaned

    def grid(self) -> dict[str, list[str]]:
        """The values to be tried of each parameter; empty for a single training."""
        found: dict[str, list[str]] = {}
        for number in range(1, SWEPT + 1):
            name = self.cleaned_data.get(f"swept_{number}", "")
            values = self.cleaned_data.get(f"swept_{number}_values", "")
            if name and values.strip():
                found[name] = split_values(values)
        return found

    def sharing(self) -> Sharing:
        """Not judged yet."""
        known = self.cleaned_data
        return Sharing(
            processes=_or(known.get("processes"), 1),
            nodes=_or(known.get("nodes"), 1),
            strategy=known.get("strategy") or Strategy.DDP.value,
            priority=int(known.get("priority") or PRIORITY_NORMAL),
            max_hours=known.get("max_hours"),
            idle_minutes=known.get("idle_minutes"),
        )

    def sharing_fields(self) -> list[forms.BoundField]:
        names = ("processes", "nodes", "strategy", "priority", "max_hours", "idle_minutes")
        return [self[name] for name in names]

    def is_sharing_changed(self) -> bool:
        return any(
            field.errors or str(field.value() or "") not in ("", "0", "1", Strategy.DDP.value)
            for field in self.sharing_fields()
        )

    def swept_rows(self) -> list[dict[str, Any]]:
        names = (f"swept_{number}" for number in range(1, SWEPT + 1))
        return [
            {
                "name": self[name],
                "values": self[f"{name}_values"],
                "options": sweepable_options(str(self[name].value() or "")),
            }
            for name in names
        ]

    @property
    def chosen(self) -> tuple[str, str]:
        """Stage and method as they stand in the form."""
        return str(self["stage"].value()), str(self["method"].value())

    def parameters(self) -> dict[str, Any]:
        """What was set, and the main parameters in any case; not judged yet."""
        stage, method = self.chosen
        found: dict[str, Any] = {}
        for argument in ARGUMENTS:
            value = self.cleaned_data.get(argument.name, "")
            is_wanted = argument.group == "main" or value != default_text(argument)
            if value != "" and is_wanted and argument.fits(stage=stage, method=method):
                found[argument.name] = value
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Sections of parameters: {"name", "label", "rows", "fits", "changed"}."""
        stage, method = self.chosen
        sections = []
        for name, label in GROUPS.items():
            rows = [
                ArgumentRow(a, self[a.name], a.fits(stage=stage, method=method))
                for a in ARGUMENTS
                if a.group == name and a.is_installed
            ]
            if not rows:
                continue
            shown = [row for row in rows if row.fits]
            changed = sum(row.is_changed for row in shown)
            has_errors = any(row.field.errors for row in shown)
            section = {"name": name, "label": label, "rows": rows, "fits": bool(shown)}
            sections.append(section | {"changed": changed, "has_errors": has_errors})
        return sections

    def dataset_stages(self) -> dict[str, list[str]]:
        """By id of the dataset, for the page."""
        field = self.fields["dataset"]
        assert isinstance(field, forms.ModelChoiceField)
        rows = field.queryset
        return {str(row.pk): list(row.stages) for row in rows or ()}

    def model_templates(self) -> dict[str, str]:
        """The chat template of each base model, for the page."""
        field = self.fields["base_model"]
        assert isinstance(field, forms.ModelChoiceField)
        return {str(row.pk): detected_template(row) for row in field.queryset or ()}


class ImportForm(forms.Form):
    """A configuration as text or as a file."""

    yaml = forms.CharField(
        label=_("YAML"),
        required=False,
        max_length=configurations.MAX_BYTES,
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
        help_text=_("As llamafactory-cli train reads it, or LLaMA Board saved it."),
    )
    file = forms.FileField(label=_("Or a file"), required=False)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        file = cleaned.get("file")
        if file is None and not str(cleaned.get("yaml", "")).strip():
            self.add_error("yaml", _("Paste a configuration, or choose a file."))
        elif file is not None and file.size > configurations.MAX_BYTES:
            self.add_error("file", _("This is longer than a configuration ever is (64 KB)."))
        elif file is not None:
            try:
                cleaned["yaml"] = file.read().decode("utf-8-sig")
            except UnicodeDecodeError:
                self.add_error("file", _("This file is not text in UTF-8."))
        return cleaned

    def text(self) -> str:
        return str(self.cleaned_data["yaml"])
