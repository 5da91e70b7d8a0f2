"""Forms of the training pages."""

from dataclasses import dataclass
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training import configurations, serving
from training.arguments import ARGUMENTS, BY_NAME, GROUPS, TEMPLATES, Argument
from training.models import BaseModel, Dataset, Engine, Hub, Method, Stage
from training.presets import field_text
from training.sharing_forms import SharingForm
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
SWEPT_KINDS = ("int", "float", "bool", "choice")
ON_OFF = {"true": _("On"), "false": _("Off"), "": _("As LLaMA-Factory decides")}


def template_choices() -> list[tuple[str, Any]]:
    return [("", _("The model's own")), *((name, name) for name in sorted(TEMPLATES))]


def default_text(argument: Argument) -> str:
    """The default as the field would hold it; empty if LLaMA-Factory decides."""
    return "" if argument.default is None else field_text(argument.default)


def field_of(argument: Argument) -> forms.Field:
    """A field that only carries the value; arguments.clean() judges it.

    What is not among the main parameters stays empty until a person sets it.
    """
    common: dict[str, Any] = {"label": argument.label, "help_text": argument.help}
    if argument.name == "template":
        return forms.ChoiceField(**common, required=False, choices=template_choices())
    initial = default_text(argument) if argument.group == "main" else None
    return forms.CharField(**common, required=False, max_length=10_000, initial=initial)


def options_of(argument: Argument) -> list[tuple[str, Any]]:
    """(value, label) of a select; the empty one is the default."""
    default = default_text(argument)
    if argument.kind == "bool":
        first: list[tuple[str, Any]] = [("", ON_OFF[default])]
        return [*first, *((word, ON_OFF[word]) for word in ("true", "false") if word != default)]
    if argument.name == "template":
        return template_choices()
    if argument.group == "main":
        return [(choice, choice) for choice in argument.choices]
    first = [("", default or ON_OFF[""])]
    return [*first, *((choice, choice) for choice in argument.choices if choice != default)]


def _shown(name: str, value: Any) -> Any:
    is_written = name in BY_NAME and isinstance(value, bool | float | dict)
    return field_text(value) if is_written else value


@dataclass(frozen=True)
class ArgumentRow:
    """One parameter as the page draws it."""

    argument: Argument
    field: forms.BoundField
    fits: bool

    @property
    def value(self) -> str:
        value = self.field.value()
        return "" if value is None else str(value)

    @property
    def default(self) -> str:
        return default_text(self.argument)

    @property
    def is_changed(self) -> bool:
        return self.value not in ("", self.default)

    @property
    def is_select(self) -> bool:
        return self.argument.kind in ("bool", "choice") or self.argument.name == "template"

    @property
    def options(self) -> list[tuple[str, Any]]:
        return options_of(self.argument)

    @property
    def mode(self) -> str:
        """Which keyboard a phone shows."""
        return {"int": "numeric", "float": "decimal"}.get(self.argument.kind, "text")

    @property
    def search(self) -> str:
        words = (self.argument.name, self.argument.label, self.argument.help)
        return " ".join(map(str, words)).lower()


class JobForm(SharingForm):
    """A training job. Parameters that don't apply to the chosen stage and method are left out."""

    name = forms.CharField(label=_("Name"), max_length=100)
    base_model = forms.ModelChoiceField(
        BaseModel.objects.none(), label=_("Base model"), empty_label=_("Choose a model")
    )
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(), label=_("Dataset"), empty_label=_("Choose a dataset")
    )
    stage = forms.ChoiceField(
        label=_("Stage"), choices=Stage.choices, initial=Stage.SFT, widget=forms.RadioSelect
    )
    method = forms.ChoiceField(
        label=_("Method"), choices=Method.choices, initial=Method.LORA, widget=forms.RadioSelect
    )
    template_name = forms.CharField(label=_("Name of the template"), max_length=100, required=False)
    template_shared = forms.BooleanField(label=_("Share with everyone"), required=False)
    allow_too_large = forms.BooleanField(label=_("Start all the same"), required=False)

    def __init__(
        self, data: Any = None, *, user: User, initial: dict[str, Any] | None = None
    ) -> None:
        known = {name: _shown(name, value) for name, value in (initial or {}).items()}
        super().__init__(data, initial=known)
        self.user = user
        models, datasets = self.fields["base_model"], self.fields["dataset"]
        assert isinstance(models, forms.ModelChoiceField)
        assert isinstance(datasets, forms.ModelChoiceField)
        models.queryset = BaseModel.objects.for_user(user).ready()
        datasets.queryset = Dataset.objects.for_user(user)
        for argument in ARGUMENTS:
            self.fields[argument.name] = field_of(argument)
        for number in range(1, SWEPT + 1):
            name = f"swept_{number}"
            self.fields[name] = forms.CharField(label=_("Parameter"), required=False, max_length=60)
            self.fields[f"{name}_values"] = forms.CharField(
                label=_("Values to try"), required=False, max_length=500
            )

    def grid(self) -> dict[str, list[str]]:
        """The values to be tried of each parameter; empty for a single training."""
        found: dict[str, list[str]] = {}
        for number in range(1, SWEPT + 1):
            name = self.cleaned_data.get(f"swept_{number}", "")
            values = self.cleaned_data.get(f"swept_{number}_values", "")
            if name and values.strip():
                found[name] = split_values(values)
        return found

    def swept_rows(self) -> list[dict[str, Any]]:
        names = (f"swept_{number}" for number in range(1, SWEPT + 1))
        return [{"name": self[name], "values": self[f"{name}_values"]} for name in names]

    def sweepable(self) -> list[tuple[Any, list[Argument]]]:
        """Parameters of which several values can be tried, by group."""
        return [
            (label, [a for a in ARGUMENTS if a.group == group and a.kind in SWEPT_KINDS])
            for group, label in GROUPS.items()
            if any(a.group == group and a.is_installed for a in ARGUMENTS)
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


class BaseModelForm(forms.Form):
    """A model to start from: a folder or an id of a hub."""

    name = forms.CharField(label=_("Name"), max_length=100)
    path = forms.CharField(
        label=_("Folder"),
        max_length=500,
        required=False,
        help_text=_("On the machine that trains, below one of the allowed folders."),
    )
    hub_id = forms.CharField(
        label=_("Hub id"),
        max_length=200,
        required=False,
        help_text=_("For example Qwen/Qwen3-8B. Its download begins at once, on a node."),
    )
    hub = forms.ChoiceField(
        label=_("Model hub"), choices=Hub.choices, required=False, initial=Hub.HUGGING_FACE
    )
    revision = forms.CharField(
        label=_("Revision"),
        max_length=100,
        required=False,
        help_text=_("A branch, a tag or a commit of the hub; the newest state unless given."),
    )
    template = forms.ChoiceField(
        label=_("Chat template"),
        required=False,
        help_text=_("How questions and answers are marked; the model's own unless chosen."),
    )
    is_shared = forms.BooleanField(
        label=_("Share with everyone"), required=False, help_text=_("Everybody can train from it.")
    )

    def __init__(self, *args: Any, may_share: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["template"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = template_choices()
        if not may_share:
            del self.fields["is_shared"]


class ImportForm(forms.Form):
    """A configuration as text or as a file."""

    yaml = forms.CharField(
        label=_("YAML"),
        required=False,
        max_length=configurations.MAX_BYTES,
        widget=forms.Textarea(attrs={"rows": 14, "class": "mono", "spellcheck": "false"}),
        help_text=_("As `llamafactory-cli train` reads it, or LLaMA Board saved it."),
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


class ChangeBaseModelForm(forms.Form):
    name = forms.CharField(label=_("Name"), max_length=100)
    template = forms.ChoiceField(
        label=_("Chat template"),
        required=False,
        help_text=_("For trainings and deployments from now on."),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["template"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = template_choices()


class HubTokenForm(forms.Form):
    hub = forms.ChoiceField(label=_("Model hub"), choices=Hub.choices)
    token = forms.CharField(
        label=_("Token"),
        max_length=400,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_(
            "One that may only read is enough. It is kept encrypted and used for your downloads."
        ),
    )


class VersionForm(forms.Form):
    notes = forms.CharField(
        label=_("Notes"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=_("What is special about it, for you and whoever looks after it later."),
    )
    model = forms.CharField(
        label=_("Model"),
        max_length=100,
        help_text=_("Versions of one model share its labels; another name moves this one there."),
    )


class DeployForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the model"),
        max_length=100,
        required=False,
        help_text=_("As chats and the gateway show it."),
    )
    engine = forms.ChoiceField(label=_("Engine"), required=False)
    concurrency = forms.IntegerField(
        label=_("Requests at the same time"),
        initial=1,
        required=False,
        min_value=1,
        max_value=serving.CONCURRENCY_MAX,
        help_text=_("More of them share the machine; the others wait their turn."),
    )
    sleep_minutes = forms.IntegerField(
        label=_("Minutes until it sleeps"),
        initial=0,
        required=False,
        min_value=0,
        max_value=serving.SLEEP_MINUTES_MAX,
        help_text=_(
            "So long without a request, and its memory is free for others; the next request wakes "
            "it. 0: it never sleeps."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        engine, known = self.fields["engine"], serving.engines()
        assert isinstance(engine, forms.ChoiceField)
        engine.choices = [(each, Engine(each).label) for each in known]
        if len(known) == 1:
            del self.fields["engine"]

    def options(self) -> dict[str, Any]:
        """As registry.deploy() takes them; what was left empty is left out."""
        return {name: value for name, value in self.cleaned_data.items() if value not in (None, "")}
