"""Forms of the dataset pages."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from django import forms
from django.core.exceptions import ValidationError
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from llmplatform.text import number_of
from training.chat_templates import TEMPLATES
from training.dataset_readings import (
    DELIMITER_CHOICES,
    ENCODING_CHOICES,
    MAX_BLOCK_CHARS,
    MIN_BLOCK_CHARS,
    QUOTE_CHOICES,
    SPLIT_CHOICES,
)
from training.datasets import NAME_CHARS, VALUE_CHARS
from training.drafts import Look
from training.formats.bundles import SUFFIX as ZIP
from training.formats.detection import AUTO
from training.formats.guessing import TARGETS
from training.formats.prose import Split
from training.formats.reading import SUFFIXES, Kind
from training.models import BaseModel, Dataset, DatasetFormat, Stage
from training.tokens import DEFAULT_CUTOFF, MAX_CUTOFF


class ReadingForm(forms.Form):
    """How a file is taken apart. Which of these matter depends on the kind of file."""

    encoding = forms.ChoiceField(
        label=_("Encoding"),
        choices=ENCODING_CHOICES,
        required=False,
        help_text=_("Chinese files from older programs are often GBK."),
    )
    delimiter = forms.ChoiceField(
        label=_("Separator of cells"), choices=DELIMITER_CHOICES, required=False
    )
    quote = forms.ChoiceField(label=_("Quotation mark"), choices=QUOTE_CHOICES, required=False)
    has_header = forms.ChoiceField(
        label=_("First row"),
        choices=[("yes", _("Names the columns")), ("no", _("Is a record already"))],
        required=False,
    )
    split = forms.ChoiceField(
        label=_("A record is made of each"),
        choices=SPLIT_CHOICES,
        initial=Split.PARAGRAPHS,
        required=False,
    )
    block_chars = forms.IntegerField(
        label=_("Length of a block"),
        initial=2000,
        min_value=MIN_BLOCK_CHARS,
        max_value=MAX_BLOCK_CHARS,
        required=False,
        help_text=_("In characters. A block ends a little earlier where a sentence ends."),
    )
    PARTS = ("encoding", "delimiter", "quote", "has_header", "split", "block_chars")

    @property
    def has_reading_errors(self) -> bool:
        return any(name in self.errors for name in self.PARTS)

    @property
    def options(self) -> dict[str, Any]:
        """As `reading_of` takes them."""
        given = {name: self.cleaned_data.get(name) for name in self.PARTS}
        return given | {"has_header": given["has_header"] != "no"}


class UploadForm(ReadingForm):
    file = forms.FileField(
        label=_("File"),
        max_length=1000,
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ",".join((*SUFFIXES, ZIP))}),
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
    field_order = ("file", "name", "format")


class MappingForm(ReadingForm):
    """Which column of a file becomes which of its format, as `look` has found them.

    What was chosen for another file's columns, or before the file was read differently, gives way
    to the guess: nobody is told that a column which is gone is an invalid choice.
    """

    COLUMN_LABELS: ClassVar[dict[str, str | Promise]] = {
        "instruction": _("Question or task"),
        "input": _("More to the question"),
        "output": _("Answer"),
        "system": _("System prompt"),
        "history": _("Earlier rounds"),
        "conversations": _("Conversation"),
        "messages": _("Conversation"),
        "tools": _("Tools"),
        "images": _("Pictures"),
        "chosen": _("Better answer"),
        "rejected": _("Worse answer"),
        "kto_tag": _("Verdict: good or bad"),
        "text": _("Text"),
    }
    ROLE_LABELS: ClassVar[dict[str, str | Promise]] = {
        "role": _("Field that says who speaks"),
        "content": _("Field that holds the text"),
        "user": _("Who asks is called"),
        "assistant": _("Who answers is called"),
        "system": _("The system prompt is called"),
        "result": _("A tool's result is called"),
    }

    def __init__(self, data: Mapping[str, Any] | None, *, look: Look, name: str = "") -> None:
        self.look = look
        self.format = self._chosen(data, "format", look.guess.format, list(TARGETS))
        self.columns = self._columns(data)
        self.roles = self._roles(data)
        given = {f"column_{key}": path for key, path in self.columns.items()}
        given |= {f"role_{key}": text for key, text in self.roles.items()}
        given |= {part: (data or {}).get(part, "") for part in self.PARTS}
        reading = look.reading
        given |= {"format": self.format, "rows": reading.rows, "encoding": reading.encoding}
        super().__init__({**given, "name": (data or {}).get("name", name)})
        self._add_fields()

    def _chosen(
        self, data: Mapping[str, Any] | None, name: str, otherwise: str, choices: Sequence[str]
    ) -> str:
        value = (data or {}).get(name)
        return value if value is not None and value in choices else otherwise

    def _columns(self, data: Mapping[str, Any] | None) -> dict[str, str]:
        known = ["", *(column.name for column in self.look.columns)]
        guessed = self.look.guess.columns
        return {
            target: self._chosen(data, f"column_{target}", guessed.get(target, ""), known)
            for target in TARGETS[self.format]
        }

    def _roles(self, data: Mapping[str, Any] | None) -> dict[str, str]:
        if not (self.columns.get("conversations") or self.columns.get("messages")):
            return {}
        guessed = self.look.guess.roles
        given = data or {}
        return {name: given.get(f"role_{name}", guessed.get(name, "")) for name in self.ROLE_LABELS}

    def _add_fields(self) -> None:
        self.fields["name"] = forms.CharField(
            label=_("Name"), max_length=NAME_CHARS, required=False
        )
        self.fields["format"] = forms.ChoiceField(label=_("Format"), choices=DatasetFormat.choices)
        columns = [("", "—"), *((column.name, column.name) for column in self.look.columns)]
        for target in TARGETS[self.format]:
            self.fields[f"column_{target}"] = forms.ChoiceField(
                label=str(self.COLUMN_LABELS[target]),
                choices=columns,
                required=False,
                help_text=target,
            )
        for name in self.roles:
            self.fields[f"role_{name}"] = forms.CharField(
                label=str(self.ROLE_LABELS[name]), max_length=200, required=False
            )
        paths = [("", gettext("As it is: the file is a list of records"))]
        paths += [(path, path) for path in self.look.paths]
        self.fields["rows"] = forms.ChoiceField(
            label=_("Where the records are"), choices=paths, required=False
        )

    @classmethod
    def options_in(cls, data: Mapping[str, Any]) -> dict[str, Any]:
        """How the file is to be read, before there is a form: as `reading_of` takes it."""
        given = {name: data.get(name) for name in (*cls.PARTS, "rows")}
        chars = str(given["block_chars"] or "")
        return given | {
            "has_header": given["has_header"] != "no",
            "block_chars": number_of(chars, 8),
        }

    @property
    def options(self) -> dict[str, Any]:
        return {**super().options, "rows": self.cleaned_data.get("rows")}

    @property
    def column_fields(self) -> list[forms.BoundField]:
        return [self[f"column_{target}"] for target in TARGETS[self.format]]

    @property
    def role_fields(self) -> list[forms.BoundField]:
        return [self[f"role_{name}"] for name in self.roles]

    @property
    def reading_fields(self) -> list[forms.BoundField]:
        """Those that matter for this kind of file."""
        parts = {Kind.TABLE: ("delimiter", "quote", "has_header"), Kind.PROSE: ("split",)}
        chosen = ["encoding", *parts.get(self.look.reading.kind, ())]
        return [self[name] for name in chosen] + ([self["rows"]] if self.look.paths else [])

    def add_mapping_errors(self, error: ValidationError) -> None:
        """Those of `checked_mapping` and of the import, each at its field."""
        for name, messages in error.message_dict.items():
            field = f"column_{name}" if f"column_{name}" in self.fields else name
            self.add_error(field if field in self.fields else None, messages)


class TokensForm(forms.Form):
    """Which training the tokens of a record are shown for."""

    base_model = forms.ModelChoiceField(BaseModel.objects.none(), label=_("Base model"))
    stage = forms.ChoiceField(label=_("Stage"), required=False)
    template = forms.ChoiceField(
        label=_("Chat template"),
        required=False,
        choices=[("", _("That of the base model")), *((name, name) for name in sorted(TEMPLATES))],
    )
    cutoff_len = forms.IntegerField(
        label=_("Cutoff length"),
        min_value=4,
        max_value=MAX_CUTOFF,
        required=False,
        initial=DEFAULT_CUTOFF,
        help_text=_("In tokens. What is longer is cut off."),
    )
    train_on_prompt = forms.BooleanField(label=_("Learn the questions, too"), required=False)
    mask_history = forms.BooleanField(label=_("Learn the last answer only"), required=False)

    def __init__(self, *args: Any, user: User, dataset: Dataset, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = BaseModel.objects.for_user(user).ready()
        self.fields["base_model"].queryset = models  # type: ignore[attr-defined]
        stages = [(stage, Stage(stage).label) for stage in dataset.stages]
        self.fields["stage"].choices = stages  # type: ignore[attr-defined]


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
