"""Forms of the training pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from training.arguments import ARGUMENTS, GROUPS, TEMPLATES, Argument
from training.models import BaseModel, Dataset, Hub, Method, Stage

STAGE_HELP = {
    Stage.SFT: _("Learn to answer like the examples."),
    Stage.PT: _("Go on reading plain text."),
    Stage.DPO: _("Prefer the better of two answers."),
    Stage.KTO: _("Learn from thumbs up and down."),
}
METHOD_HELP = {
    Method.LORA: _("A small adapter; the usual choice."),
    Method.QLORA: _("An adapter on a quantised model; least memory."),
    Method.FREEZE: _("Some layers in full."),
    Method.FULL: _("Every weight; most memory."),
}


def template_choices() -> list[tuple[str, Any]]:
    return [("", _("The model's own")), *((name, name) for name in sorted(TEMPLATES))]


def field_of(argument: Argument) -> forms.Field:
    """A field that only carries the value; arguments.clean() judges it."""
    common: dict[str, Any] = {
        "label": argument.label,
        "help_text": argument.help,
        "required": False,
    }
    if argument.kind == "bool":
        return forms.BooleanField(**common, initial=argument.default)
    if argument.kind == "choice":
        empty = [] if argument.default is not None else [("", _("As LLaMA-Factory decides"))]
        choices = [*empty, *((choice, choice) for choice in argument.choices)]
        return forms.ChoiceField(**common, choices=choices, initial=argument.default)
    if argument.name == "template":
        return forms.ChoiceField(**common, choices=template_choices())
    attrs: dict[str, Any] = {}
    if argument.kind in ("int", "float"):
        attrs["inputmode"] = "decimal" if argument.kind == "float" else "numeric"
    return forms.CharField(
        **common,
        max_length=10_000,
        widget=forms.TextInput(attrs=attrs),
        initial=shown_default(argument),
    )


def shown_default(argument: Argument) -> Any:
    value = argument.default
    return f"{value:g}" if isinstance(value, float) else value


class JobForm(forms.Form):
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

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models, datasets = self.fields["base_model"], self.fields["dataset"]
        assert isinstance(models, forms.ModelChoiceField)
        assert isinstance(datasets, forms.ModelChoiceField)
        models.queryset = BaseModel.objects.for_user(user).ready()
        datasets.queryset = Dataset.objects.for_user(user)
        for argument in ARGUMENTS:
            self.fields[argument.name] = field_of(argument)

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
            is_default = value in (argument.default, str(shown_default(argument)))
            is_wanted = value != "" and (argument.group == "main" or not is_default)
            if argument.fits(stage=stage, method=method) and is_wanted:
                found[argument.name] = value
        return found

    def groups(self) -> list[dict[str, Any]]:
        """Sections of parameters: {"name", "label", "rows": [(argument, field, is_shown)]}."""
        stage, method = self.chosen
        sections = []
        for name, label in GROUPS.items():
            rows = [
                {"argument": a, "field": self[a.name], "fits": a.fits(stage=stage, method=method)}
                for a in ARGUMENTS
                if a.group == name
            ]
            fits = any(row["fits"] for row in rows)
            sections.append({"name": name, "label": label, "rows": rows, "fits": fits})
        return sections

    def dataset_stages(self) -> dict[str, list[str]]:
        """By id of the dataset, for the page."""
        field = self.fields["dataset"]
        assert isinstance(field, forms.ModelChoiceField)
        rows = field.queryset
        return {str(row.pk): list(row.stages) for row in rows or ()}


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


class DeployForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the model"),
        max_length=100,
        required=False,
        help_text=_("As chats and the gateway show it."),
    )
