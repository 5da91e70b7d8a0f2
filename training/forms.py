"""Forms of the training pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training.arguments import TEMPLATES
from training.models import Hub


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


class DeployForm(forms.Form):
    name = forms.CharField(
        label=_("Name of the model"),
        max_length=100,
        required=False,
        help_text=_("As chats and the gateway show it."),
    )
