"""Forms of the prompt pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from prompts.models import Prompt
from prompts.services import TEXT_MAX_CHARS, TITLE_MAX_CHARS

VALUE_MAX_CHARS = 20_000
# Long values are usual for these; the others get one line.
LONG = {"text", "content", "code", "article", "document", "文本", "内容", "代码", "文章", "原文"}


class PromptForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=TITLE_MAX_CHARS)
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
        help_text=_("Everybody can read, use and copy it; only you can change it."),
    )
    is_company = forms.BooleanField(
        label=_("Prompt of the company"),
        required=False,
        help_text=_("Everybody can use it; administrators can change it."),
    )

    def __init__(
        self, *args: Any, may_be_company: bool, prompt: Prompt | None = None, **kwargs: Any
    ) -> None:
        if prompt is not None:
            tags = ", ".join(prompt.tags)
            shown = {"title": prompt.title, "text": prompt.text, "tags": tags}
            kwargs["initial"] = {**shown, "is_shared": prompt.is_shared}
        super().__init__(*args, **kwargs)
        if prompt is not None or not may_be_company:
            del self.fields["is_company"]
        if prompt is not None and prompt.owner_id is None:
            del self.fields["is_shared"]

    def clean_tags(self) -> list[str]:
        return str(self.cleaned_data["tags"]).replace("，", ",").split(",")


class VariablesForm(forms.Form):
    """One field a variable. A prefix keeps variables apart from the form's own attributes."""

    def __init__(self, *args: Any, prompt: Prompt, **kwargs: Any) -> None:
        super().__init__(*args, **{**kwargs, "prefix": "variable"})
        for variable in prompt.variables:
            is_long = variable.name.casefold() in LONG
            widget = forms.Textarea(attrs={"rows": 5}) if is_long else forms.TextInput()
            widget.attrs["data-variable"] = variable.name
            self.fields[variable.name] = forms.CharField(
                label=variable.name,
                initial=variable.default,
                required=variable.required,
                max_length=VALUE_MAX_CHARS,
                strip=False,
                widget=widget,
            )
