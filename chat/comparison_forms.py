"""Forms of the comparison pages."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.comparing import TAG_MAX_CHARS, Choice
from chat.context import sees
from chat.forms import ChatSettingsForm, QuestionForm, SettingsForm, grouped
from chat.models import COLUMNS_MAX, COLUMNS_MIN, LETTERS, Outcome
from chat.voting import NOTE_MAX_CHARS
from providers.models import ProviderModel


class TagsField(forms.CharField):
    """Cleaned to a list of words."""

    def __init__(self) -> None:
        super().__init__(
            label=_("Tags"),
            max_length=TAG_MAX_CHARS * 10,
            required=False,
            help_text=_("Words with commas between. The leaderboard can be read by tag."),
        )

    def clean(self, value: Any) -> list[str]:
        text = super().clean(value)
        return [word for word in text.replace("，", ",").split(",") if word.strip()]


class PromptForm(QuestionForm):
    content = forms.CharField(
        label=_("Question"),
        strip=False,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "placeholder": _("One question for all of them")}),
    )
    is_blind = forms.BooleanField(
        label=_("Blind"),
        required=False,
        help_text=_("The order is shuffled and the names are hidden until you have voted."),
    )
    tags = TagsField()


class ModelSelect(forms.Select):
    """`seeing`: the models that read images, which chat-files.js wants to know."""

    seeing: Collection[int] = ()

    def create_option(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        option = super().create_option(*args, **kwargs)
        if option["value"] in self.seeing:
            option["attrs"]["data-vision"] = True
        return option


class PlaceForm(SettingsForm):
    """One place of a comparison: a model, and what is its own. Nothing is chosen: no column."""

    model = forms.TypedChoiceField(
        label=_("Model"),
        coerce=int,
        required=False,
        empty_value=None,
        widget=ModelSelect,
        error_messages={"invalid_choice": _("Choose a model that is available.")},
    )

    def __init__(self, *args: Any, models: Mapping[int, ProviderModel], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._models = models
        choices = [("", "–"), *grouped(models.values())]
        self.fields["model"].widget.seeing = {pk for pk, model in models.items() if sees(model)}
        self.fields["model"].choices = choices  # type: ignore[attr-defined]
        self.fields["system_prompt"].widget.attrs["rows"] = 3
        self.fields["system_prompt"].help_text = ""

    @property
    def own_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in self.fields if name != "model"]

    @property
    def is_own(self) -> bool:
        """Something but the model is filled in, or wrong."""
        names = [name for name in self.fields if name != "model"]
        return any(self[name].value() not in (None, "") or self[name].errors for name in names)

    @property
    def choice(self) -> Choice | None:
        pk = self.cleaned_data["model"]
        return Choice(self._models[pk], **self.changes) if pk else None


class StartForm:
    """The whole page: the prompt, what holds for all, and six places for models."""

    def __init__(
        self,
        data: Mapping[str, Any] | None = None,
        *,
        owner: User,
        models: Iterable[ProviderModel],
        prompt: str = "",
        picked: Sequence[Mapping[str, Any]] = (),
        has_files: bool = False,
    ) -> None:
        """`picked`: what the places hold at first, with the pk of a `model`."""
        known = {model.pk: model for model in models}
        self.prompt = PromptForm(data, initial={"content": prompt}, has_files=has_files)
        self.settings = ChatSettingsForm(data, prefix="all", owner=owner)
        places = [*picked, *[{}] * COLUMNS_MAX][:COLUMNS_MAX]
        self.places = [
            PlaceForm(data, models=known, initial=initial, prefix=letter.lower())
            for letter, initial in zip(LETTERS, places, strict=True)
        ]

    def is_valid(self) -> bool:
        # Each of them, so that every mistake is named at once.
        is_valid = [form.is_valid() for form in (self.prompt, self.settings, *self.places)]
        if all(is_valid) and len(self.choices) < COLUMNS_MIN:
            self.prompt.add_error(None, _("Choose two models at least."))
            return False
        return all(is_valid)

    @property
    def choices(self) -> list[Choice]:
        found = (place.choice for place in self.places)
        return [choice for choice in found if choice is not None]


class AskForm(QuestionForm):
    content = forms.CharField(
        label=_("Message"),
        strip=False,
        required=False,
        widget=forms.Textarea(
            attrs={"rows": 1, "data-composer-text": "", "placeholder": _("Ask all of them")}
        ),
    )


class VoteForm(forms.Form):
    """`verdict` is an outcome, or the number of the best column."""

    verdict = forms.CharField(max_length=10)
    note = forms.CharField(max_length=NOTE_MAX_CHARS, required=False)

    @property
    def vote(self) -> dict[str, Any]:
        """As voting.vote takes it, which checks it."""
        verdict = self.cleaned_data["verdict"]
        is_number = verdict.isdecimal()
        return {
            "outcome": Outcome.BEST if is_number else verdict,
            "best": int(verdict) if is_number else None,
            "note": self.cleaned_data["note"],
        }


class AboutForm(forms.Form):
    title = forms.CharField(label=_("Title"), max_length=200)
    tags = TagsField()
    is_shared = forms.BooleanField(
        label=_("Share with the company"),
        required=False,
        help_text=_("Everybody who is signed in can read it; only you can ask and vote."),
    )
