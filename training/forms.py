"""Forms of the training pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training import serving
from training.chat_templates import TEMPLATES
from training.models import Engine, Hub


def template_choices() -> list[tuple[str, Any]]:
    return [("", _("The model's own")), *((name, name) for name in sorted(TEMPLATES))]


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
    replicas = forms.IntegerField(
        label=_("Replicas"),
        initial=1,
        required=False,
        min_value=1,
        max_value=serving.REPLICAS_MAX,
        help_text=_(
            "On different nodes where there are several. Calls are spread over them, and where one "
            "fails another answers."
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
