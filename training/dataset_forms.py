"""Forms of the dataset pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from training.datasets import NAME_CHARS, SUFFIXES, VALUE_CHARS
from training.formats.detection import AUTO
from training.models import DatasetFormat


class UploadForm(forms.Form):
    file = forms.FileField(
        label=_("File"),
        max_length=1000,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ",".join(SUFFIXES)}),
        error_messages={"required": _("Choose a file.")},
    )
    name = forms.CharField(
        label=_("Name"),
        max_length=NAME_CHARS,
        required=False,
        help_text=_("Left empty, it is named after the file."),
    )
    format = forms.ChoiceField(
        label=_("Format"),
        initial=AUTO,
        choices=[(AUTO, _("Detect automatically")), *DatasetFormat.choices],
    )


class FillForm(forms.Form):
    """One field for each placeholder of a dataset."""

    def __init__(self, *args: Any, placeholders: list[str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in placeholders:
            label = "{{" + name + "}}"
            self.fields[f"value_{name}"] = forms.CharField(
                label=label, max_length=VALUE_CHARS, required=False
            )

    @property
    def values(self) -> dict[str, str]:
        return {
            name.removeprefix("value_"): value
            for name, value in self.cleaned_data.items()
            if name.startswith("value_")
        }
