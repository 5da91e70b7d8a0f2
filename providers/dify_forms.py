"""Forms of the Dify pages: a connection, and what an application asks for."""

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext_lazy as _

from providers.adapters.dify import WITHOUT_QUESTION
from providers.checks import checked_key
from providers.dify.client import AppParameters, InputField
from providers.dify.connecting import CLOUD
from providers.dify.knowledge import SEARCH_METHODS
from providers.dify.running import InputFile

FILE_MAX_BYTES = 15 * 1024**2
TEXT_MAX_CHARS = 100_000
METHOD_NAMES = {
    "semantic_search": _("By meaning"),
    "full_text_search": _("By words"),
    "hybrid_search": _("Both together"),
    "keyword_search": _("By keywords (economy)"),
}


class ConnectForm(forms.Form):
    """A new connection, or another address, key or name for one."""

    base_url = forms.CharField(
        label=_("Base URL"),
        max_length=500,
        initial=CLOUD,
        help_text=_("Of the API, up to /v1. Your own Dify: http://its-host/v1"),
    )
    api_key = forms.CharField(
        label=_("API key"),
        max_length=4000,
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "hx-preserve": "true"}),
        help_text=_(
            "app-… from “API access” of an application, or dataset-… from “Service API” of the "
            "knowledge. Stored encrypted and never shown again."
        ),
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=100,
        required=False,
        help_text=_("Empty: as the application is called at Dify."),
    )
    is_shared = forms.BooleanField(
        label=_("Share with everyone"),
        required=False,
        help_text=_("Everybody in the company can use it; nobody sees the key."),
    )

    def __init__(self, *args: Any, may_share: bool, is_new: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not (may_share and is_new):
            del self.fields["is_shared"]
        if not is_new:
            self.fields["api_key"].required = False
            self.fields["name"].required = True
            self.fields["name"].help_text = ""

    def clean_api_key(self) -> str:
        try:
            return checked_key(self.cleaned_data["api_key"])
        except ValidationError as error:
            raise ValidationError(error.messages) from error


class SeveralFiles(forms.ClearableFileInput):
    allow_multiple_selected = True


class FilesField(forms.FileField):
    """At most `most` files, none of them too large."""

    def __init__(self, *, most: int, accept: str = "", **kwargs: Any) -> None:
        attributes = {"accept": accept} if accept else {}
        widget = (SeveralFiles if most > 1 else forms.FileInput)(attrs=attributes)
        super().__init__(widget=widget, **kwargs)
        self._most = most

    def clean(self, data: Any, initial: Any = None) -> list["UploadedFile[Any]"]:
        given = data if isinstance(data, list | tuple) else [data]
        files = [super(FilesField, self).clean(each, initial) for each in given]
        found = [each for each in files if each]
        if len(found) > self._most:
            raise ValidationError(_("At most %(most)d files."), params={"most": self._most})
        if any((each.size or 0) > FILE_MAX_BYTES for each in found):
            raise ValidationError(_("A file has at most 15 MiB here."))
        return found


class RunForm(forms.Form):
    """What an application asks for. `is_draft`: nothing has to be filled in yet."""

    def __init__(
        self,
        *args: Any,
        parameters: AppParameters,
        mode: str,
        usual: Mapping[str, Any],
        is_draft: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._asked = {f"input-{each.variable}": each for each in parameters.fields}
        for name, each in self._asked.items():
            field = _form_field(each)
            field.required = each.is_required and not is_draft and each.kind != "checkbox"
            field.initial = usual.get(each.variable, field.initial)
            self.fields[name] = field
        if mode not in WITHOUT_QUESTION:
            self.fields["query"] = forms.CharField(
                label=_("Question"),
                max_length=TEXT_MAX_CHARS,
                required=not is_draft,
                widget=forms.Textarea(attrs={"rows": 3}),
            )
        if parameters.takes_images:
            self.fields["images"] = FilesField(
                most=3, accept="image/*", label=_("Images"), required=False
            )

    @property
    def inputs(self) -> dict[str, Any]:
        """By variable, without what is empty and without files."""
        found = {}
        for name, each in self._asked.items():
            value = self.cleaned_data.get(name)
            if each.kind not in ("file", "file-list") and value not in (None, ""):
                is_whole = isinstance(value, float) and value.is_integer()
                found[each.variable] = int(value) if is_whole else value
        return found

    @property
    def query(self) -> str:
        return str(self.cleaned_data.get("query", ""))

    @property
    def given_files(self) -> list[InputFile]:
        found = list(_read("", self.cleaned_data.get("images") or (), is_one=False))
        for name, each in self._asked.items():
            if each.kind in ("file", "file-list"):
                files = self.cleaned_data.get(name) or ()
                found += _read(each.variable, files, is_one=each.kind == "file")
        return found


def _read(
    variable: str, files: Iterable["UploadedFile[Any]"], *, is_one: bool
) -> Iterable[InputFile]:
    for file in files:
        kind = file.content_type or "application/octet-stream"
        yield InputFile(variable, file.name or "file", kind, file.read(), is_one)


def _form_field(asked: InputField) -> forms.Field:
    label, initial = asked.label, asked.default
    if asked.kind in ("file", "file-list"):
        accept = ",".join(f"{each}/*" for each in asked.file_types if each in ("image", "audio"))
        is_narrow = len(accept.split(",")) == len(asked.file_types)
        return FilesField(most=asked.most_files, accept=accept if is_narrow else "", label=label)
    if asked.kind == "select":
        choices = [("", "–"), *((each, each) for each in asked.options)]
        return forms.ChoiceField(label=label, initial=initial, choices=choices)
    if asked.kind == "number":
        return forms.FloatField(label=label, initial=initial or None)
    if asked.kind == "checkbox":
        return forms.BooleanField(label=label, initial=initial.lower() == "true")
    is_long = asked.kind == "paragraph"
    widget = forms.Textarea(attrs={"rows": 4}) if is_long else forms.TextInput()
    most = asked.max_chars or TEXT_MAX_CHARS
    return forms.CharField(label=label, initial=initial, max_length=most, widget=widget)


class RetrieveForm(forms.Form):
    """One try of a knowledge base."""

    dataset = forms.ChoiceField(label=_("Knowledge base"))
    query = forms.CharField(
        label=_("Question"),
        max_length=TEXT_MAX_CHARS,
        help_text=_("Dify reads the first 250 characters."),
    )
    search_method = forms.ChoiceField(
        label=_("Search"), choices=[(name, METHOD_NAMES[name]) for name in SEARCH_METHODS]
    )
    top_k = forms.IntegerField(label=_("Passages"), min_value=1, max_value=20, initial=4)

    def __init__(self, *args: Any, datasets: Iterable[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields["dataset"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = list(datasets)
