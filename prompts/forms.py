"""Forms of the prompt pages."""

from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from prompts.cleaning import (
    DESCRIPTION_MAX_CHARS,
    NOTE_MAX_CHARS,
    TEXT_MAX_CHARS,
    TITLE_MAX_CHARS,
)
from prompts.models import Prompt


class PromptForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=TITLE_MAX_CHARS)
    description = forms.CharField(
        label=_("Description"),
        max_length=DESCRIPTION_MAX_CHARS,
        required=False,
        help_text=_("When to use it, in one sentence."),
    )
    text = forms.CharField(
        label=_("Text"),
        max_length=TEXT_MAX_CHARS,
        widget=forms.Textarea(attrs={"rows": 12}),
        help_text=_("{{name}} is a place to fill in; {{name|value}} has a value already."),
    )
    tags = forms.CharField(
        label=_("Tags"), max_length=500, required=False, help_text=_("Words with commas between.")
    )
    is_shared = forms.BooleanField(
        label=_("Share with everyone"),
        required=False,
        help_text=_("Everybody can read, use and copy it."),
    )
    everyone_edits = forms.BooleanField(
        label=_("Everyone may edit"),
        required=False,
        help_text=_(
            "Holds for shared prompts; versions show who changed what. Only you delete it."
        ),
    )
    is_company = forms.BooleanField(
        label=_("Prompt of the company"),
        required=False,
        help_text=_("Everybody can use it; administrators can change it."),
    )
    note = forms.CharField(
        label=_("What changed"),
        max_length=NOTE_MAX_CHARS,
        required=False,
        help_text=_("Another text or other variables make a new version; this stands beside it."),
    )
    based_on = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(
        self,
        data: QueryDict | None = None,
        *,
        may_be_company: bool,
        may_share: bool = True,
        prompt: Prompt | None = None,
    ) -> None:
        super().__init__(data, initial=_shown(prompt) if prompt is not None else None)
        if prompt is None:
            surplus = ["based_on", "note"] + ([] if may_be_company else ["is_company"])
        else:
            is_theirs = prompt.owner_id is not None and may_share
            surplus = ["is_company"] + ([] if is_theirs else ["is_shared", "everyone_edits"])
        for name in surplus:
            del self.fields[name]

    def clean_tags(self) -> list[str]:
        return str(self.cleaned_data["tags"]).replace("，", ",").split(",")


def _shown(prompt: Prompt) -> dict[str, Any]:
    names = ("title", "description", "text", "is_shared", "everyone_edits")
    shown = {name: getattr(prompt, name) for name in names}
    return {**shown, "tags": ", ".join(prompt.tags), "based_on": prompt.number}


class LabelForm(forms.Form):
    name = forms.CharField(label=_("Label"), max_length=40)
    number = forms.IntegerField(label=_("Version"), min_value=1)


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("File"), help_text=_("JSON from an export of this platform or of Open WebUI.")
    )
