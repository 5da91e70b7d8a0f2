"""Forms of the chat pages."""

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import Any

from django import forms
from django.http import QueryDict
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat import grounding, sharing
from chat.models.folders import NAME_CHARS as FOLDER_NAME_CHARS
from chat.schemas import PROMPT_MAX_CHARS
from llmplatform.text import number_of
from providers.models import ProviderModel


def grouped(models: Iterable[ProviderModel]) -> list[tuple[str, list[tuple[int, str]]]]:
    """Choices under their provider's name; `models` come sorted by it. Closed, a list shows no such
    name: models that are called alike have it in their own."""
    shown = [(model, model.name or model.model_id) for model in models]
    count = Counter(name for _model, name in shown)
    return [
        (
            provider,
            [(m.pk, f"{name} · {provider}" if count[name] > 1 else name) for m, name in rows],
        )
        for provider, rows in groupby(shown, key=lambda each: each[0].provider.name)
    ]


class ModelForm(forms.Form):
    """`cleaned_data["model"]` is one of the models that were offered."""

    model = forms.TypedChoiceField(
        label=_("Model"),
        coerce=int,
        error_messages={
            "required": _("Choose a model that is available."),
            "invalid_choice": _("Choose a model that is available."),
        },
    )

    def __init__(self, *args: Any, models: Iterable[ProviderModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._models = {model.pk: model for model in models}
        self.fields["model"].choices = grouped(self._models.values())  # type: ignore[attr-defined]

    def clean_model(self) -> ProviderModel:
        return self._models[self.cleaned_data["model"]]


class QuestionForm(forms.Form):
    """One whose `content` may be empty beside files."""

    def __init__(self, *args: Any, has_files: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._has_files = has_files

    def clean_content(self) -> str:
        content = str(self.cleaned_data["content"])
        if not content and not self._has_files:
            raise forms.ValidationError(_("Write a message first."))
        return content


class ComposerForm(QuestionForm, ModelForm):
    content = forms.CharField(
        label=_("Message"),
        strip=False,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 1, "data-composer-text": "", "placeholder": _("Ask anything")}
        ),
    )


class SettingsForm(forms.Form):
    """What holds for one conversation; empty figures are the model's defaults."""

    system_prompt = forms.CharField(
        label=_("System prompt"),
        max_length=PROMPT_MAX_CHARS,
        required=False,
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text=_("What the model should know or how it should answer. Empty: the model's own."),
    )
    temperature = forms.FloatField(
        label=_("Temperature"),
        min_value=0,
        max_value=2,
        required=False,
        widget=forms.NumberInput(attrs={"step": "0.1"}),
        help_text=_("0 is steady, higher is more varied."),
    )
    top_p = forms.FloatField(
        label="top_p",
        min_value=0.01,
        max_value=1,
        required=False,
        widget=forms.NumberInput(attrs={"step": "0.05"}),
    )
    max_tokens = forms.IntegerField(
        label=_("Longest answer (tokens)"), min_value=1, max_value=10_000_000, required=False
    )

    def __init__(self, *args: Any, form_id: str = "", **kwargs: Any) -> None:
        """`form_id`: the form its fields are sent with, where they stand outside of it."""
        super().__init__(*args, **kwargs)
        if form_id:
            for field in self.fields.values():
                field.widget.attrs["form"] = form_id

    @property
    def changes(self) -> dict[str, Any]:
        """As services.change_session takes them."""
        names = ("temperature", "top_p", "max_tokens")
        given = {name: self.cleaned_data[name] for name in names}
        return {
            "system_prompt": self.cleaned_data["system_prompt"],
            "parameters": {name: value for name, value in given.items() if value is not None},
        }


class ChatSettingsForm(SettingsForm):
    """With the knowledge bases of a chat or a comparison, which chat/bases.html shows."""

    def __init__(self, *args: Any, owner: User, **kwargs: Any) -> None:
        """`owner`: whose bases may be chosen."""
        super().__init__(*args, **kwargs)
        self._owner = owner

    def clean(self) -> dict[str, Any]:
        ids = self.data.getlist("knowledge_bases") if isinstance(self.data, QueryDict) else []
        try:
            found = grounding.readable(self._owner, [number_of(text) or 0 for text in ids])
        except forms.ValidationError as error:
            raise forms.ValidationError(error.messages) from error
        return {**self.cleaned_data, "knowledge_bases": found}

    @property
    def changes(self) -> dict[str, Any]:
        return {**super().changes, "knowledge_bases": self.cleaned_data["knowledge_bases"]}


class TitleForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=200)


class FolderForm(forms.Form):
    name = forms.CharField(label=_("Name of the folder"), max_length=FOLDER_NAME_CHARS)


class ImportForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ".zip,.json"}),
        error_messages={"required": _("Choose a file.")},
    )


class ShareForm(forms.Form):
    """Who may read is said twice, so that nothing becomes public by an empty field."""

    audience = forms.ChoiceField(
        label=_("Who may read it"),
        choices=[
            ("all", _("Whoever is signed in and has the link")),
            ("named", _("Only the people named here")),
        ],
    )
    readers = forms.CharField(
        label=_("People"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 2, "autocapitalize": "off", "spellcheck": "false"}),
        help_text=_("E-mail addresses with commas between. They find the chat below Shared chats."),
    )
    has_thoughts = forms.BooleanField(label=_("Show the thoughts"), required=False)
    has_system_prompt = forms.BooleanField(label=_("Show the system prompt"), required=False)

    def clean_readers(self) -> list[User]:
        found = sharing.people(self.cleaned_data["readers"])
        audience = self.cleaned_data.get("audience")
        if audience == "named" and not found:
            raise forms.ValidationError(_("Name somebody, or let everybody with the link read it."))
        if audience == "all" and found:
            text = _("Remove the people, or choose that only they may read it.")
            raise forms.ValidationError(text)
        return found

    @property
    def options(self) -> dict[str, Any]:
        """As sharing.share takes them."""
        return {name: value for name, value in self.cleaned_data.items() if name != "audience"}
