"""Forms about feedback: a better answer, filters, a review, a collection."""

from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from chat.anonymising import NAMES_MAX, PATTERNS_MAX, Anonymiser, check_patterns, checked_lines
from chat.feedback import CORRECTION_MAX_CHARS, NOTE_MAX_CHARS
from chat.feedback_filters import Filters
from chat.models import FeedbackKind, FeedbackReason, Purpose, ReviewState

UP_REASONS = (FeedbackReason.HELPFUL, FeedbackReason.STYLE, FeedbackReason.OTHER)


def _lines(rows: int) -> forms.Textarea:
    return forms.Textarea(attrs={"rows": rows})


class AnswerForm(forms.Form):
    """Why, and what it should have said."""

    reason = forms.ChoiceField(label=_("Reason"), choices=FeedbackReason.choices, required=False)
    note = forms.CharField(
        label=_("Note"), max_length=NOTE_MAX_CHARS, required=False, widget=_lines(2)
    )
    correction = forms.CharField(
        label=_("What it should have said"),
        max_length=CORRECTION_MAX_CHARS,
        required=False,
        widget=_lines(6),
        help_text=_("Change the answer as you would have wanted it; the original stays beside it."),
    )

    def __init__(self, *args: Any, verdict: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        reasons = FeedbackReason.choices
        if verdict == FeedbackKind.UP:
            reasons = [(each.value, each.label) for each in UP_REASONS]
        elif verdict == FeedbackKind.DOWN:
            reasons = [each for each in reasons if each[0] != FeedbackReason.HELPFUL]
        self.fields["reason"].choices = [("", _("No reason")), *reasons]  # type: ignore[attr-defined]


class FilterForm(forms.Form):
    kind = forms.ChoiceField(label=_("Kind"), required=False)
    model = forms.ChoiceField(label=_("Model"), required=False)
    reason = forms.ChoiceField(label=_("Reason"), required=False)
    person = forms.CharField(label=_("Person"), max_length=254, required=False)
    tag = forms.CharField(label=_("Tag"), max_length=50, required=False)
    since = forms.DateField(
        label=_("From"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label=_("To"), required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, models: list[str], is_own: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        everything = [("", _("All"))]
        self.fields["kind"].choices = everything + FeedbackKind.choices  # type: ignore[attr-defined]
        self.fields["reason"].choices = everything + FeedbackReason.choices  # type: ignore[attr-defined]
        self.fields["model"].choices = everything + [(name, name) for name in models]  # type: ignore[attr-defined]
        if is_own:
            del self.fields["person"], self.fields["tag"]

    @property
    def filters(self) -> Filters:
        """What is not valid is not asked for."""
        self.is_valid()
        return Filters.of(self.cleaned_data)


class StateForm(FilterForm):
    state = forms.ChoiceField(
        label=_("State"), choices=[("all", _("All")), *ReviewState.choices], required=False
    )

    field_order = ("state",)

    @property
    def wanted_state(self) -> str:
        """What waits, unless something else is asked for."""
        self.is_valid()
        return self.cleaned_data.get("state") or ReviewState.PENDING


class TagsForm(forms.Form):
    tags = forms.CharField(
        label=_("Tags"), max_length=600, required=False, help_text=_("Words with commas between.")
    )

    def clean_tags(self) -> list[str]:
        return str(self.cleaned_data["tags"]).replace("，", ",").split(",")


class AnonymiseForm(forms.Form):
    emails = forms.BooleanField(label=_("E-mail addresses"), required=False)
    phones = forms.BooleanField(label=_("Phone numbers"), required=False)
    finds_names = forms.BooleanField(
        label=_("Names after words such as “my name is”, “Dear”, 我叫, or before 先生, 女士"),
        required=False,
    )
    names = forms.CharField(
        label=_("Known names"),
        required=False,
        widget=_lines(2),
        help_text=_("People, companies, projects: one a line."),
    )
    patterns = forms.CharField(
        label=_("Regular expressions of your own"),
        required=False,
        widget=_lines(2),
        help_text=_("One a line, such as ORD-\\d+."),
    )

    def clean_names(self) -> tuple[str, ...]:
        return checked_lines(self.cleaned_data["names"], field="names", limit=NAMES_MAX)

    def clean_patterns(self) -> tuple[str, ...]:
        try:
            lines = checked_lines(
                self.cleaned_data["patterns"], field="patterns", limit=PATTERNS_MAX
            )
            check_patterns(lines)
        except ValidationError as error:
            raise ValidationError(error.messages) from error
        return lines

    @property
    def anonymiser(self) -> Anonymiser:
        return Anonymiser.of(self.cleaned_data)


class CollectionForm(AnonymiseForm):
    name = forms.CharField(label=_("Name of the dataset"), max_length=100)
    purpose = forms.ChoiceField(
        label=_("Purpose"), choices=Purpose.choices, initial=Purpose.SFT, widget=forms.RadioSelect
    )
    scope = forms.ChoiceField(label=_("Which answers"))
    is_pseudonymous = forms.BooleanField(
        label=_("Name people by pseudonyms in the lineage"),
        required=False,
        help_text=_("They can withdraw all the same."),
    )

    field_order = ("name", "purpose", "scope")

    def __init__(self, *args: Any, may_review: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [("own", _("My own rated answers"))]
        if may_review:
            choices.insert(0, ("reviewed", _("What reviewers have accepted")))
        self.fields["scope"].choices = choices  # type: ignore[attr-defined]

    @property
    def values(self) -> dict[str, Any]:
        """As collecting.create takes them."""
        data = self.cleaned_data
        return {
            "name": data["name"],
            "purpose": data["purpose"],
            "is_own": data["scope"] == "own",
            "anonymiser": self.anonymiser,
            "is_pseudonymous": data["is_pseudonymous"],
        }

    @property
    def anonymising_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in AnonymiseForm.base_fields]


class ReviewerForm(forms.Form):
    email = forms.EmailField(label=_("E-mail"), max_length=254)
