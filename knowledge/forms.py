"""Forms of the pages of knowledge bases."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from knowledge import documents, fields, filtering
from knowledge.models import TOP_K_MAX, Base, Document, SearchMode
from providers.models import ProviderModel

# Documents to preview the cut of.
LISTED = 50
WORDS_ONLY = _("None: search by words")


def _listed(rows: Any) -> Any:
    return rows.usable().select_related("provider").order_by("provider__name", "name")


class ModelChoice(forms.ModelChoiceField[ProviderModel]):
    def label_from_instance(self, obj: Any) -> str:
        return f"{obj.name} · {obj.provider.name}"


class SearchFields(forms.ModelForm[Base]):
    rerank_model = ModelChoice(
        queryset=ProviderModel.objects.none(),
        required=False,
        label=_("Reranking model"),
        empty_label=_("None"),
        help_text=_("Reads question and passages together and puts the best first; takes longer."),
    )

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["rerank_model"]
        field.queryset = _listed(ProviderModel.objects.for_user(user).rerank())
        self.user = user


class BaseForm(SearchFields):
    """Of a new base, and of its settings. `embedding_model` is no field of the base: see Space."""

    embedding_model = ModelChoice(
        queryset=ProviderModel.objects.none(),
        required=False,
        label=_("Embedding model"),
        empty_label=WORDS_ONLY,
        help_text=_("Finds what means the same in other words. Without one, words are searched."),
    )

    class Meta:
        model = Base
        fields = (
            "name",
            "description",
            "is_shared",
            "chunk_chars",
            "overlap_chars",
            "mode",
            "top_k",
            "score_threshold",
            "rerank_model",
        )
        help_texts = {
            "is_shared": _("Everybody may ask it; only you change it."),
            "description": _("What is in it, in one sentence."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["embedding_model"]
        field.queryset = _listed(ProviderModel.objects.for_user(self.user).embedding())
        live = self.instance.live_space if self.instance.pk else None
        if live is not None:
            field.initial = live.embedding_model_id
        if self.instance.pk and not self.instance.is_own:
            for name in ("chunk_chars", "overlap_chars", "embedding_model"):
                del self.fields[name]

    def _post_clean(self) -> None:
        """Fields check themselves; what they mean together is the service's to say."""

    @property
    def settings(self) -> dict[str, Any]:
        """Of a valid form, as a service takes them."""
        return {
            name: value for name, value in self.cleaned_data.items() if name != "embedding_model"
        }


class PreviewForm(forms.ModelForm[Base]):
    """How one document of the base would be cut; sent with the settings of the base."""

    document = forms.ModelChoiceField(
        queryset=Document.objects.none(), label=_("Document"), empty_label=None
    )

    class Meta:
        model = Base
        fields = ("chunk_chars", "overlap_chars")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field: Any = self.fields["document"]
        ready = self.instance.documents.filter(edition__gt=0)
        field.queryset = ready.filter(pk__in=list(ready.values_list("pk", flat=True)[:LISTED]))


class DifyBaseForm(forms.Form):
    """A base of Dify's: `dataset` is `<provider>:<dataset id>`."""

    name = forms.CharField(label=_("Name"), max_length=100)
    dataset = forms.ChoiceField(label=_("Knowledge base of Dify"))

    def __init__(self, *args: Any, choices: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["dataset"].choices = choices  # type: ignore[attr-defined]


class TryForm(forms.Form):
    """A search to try; what is left empty is as the base has it."""

    question = forms.CharField(
        label=_("Question"), max_length=2000, widget=forms.Textarea(attrs={"rows": 2})
    )
    mode = forms.ChoiceField(label=_("Search"), choices=SearchMode.choices)
    top_k = forms.IntegerField(label=_("Passages"), min_value=1, max_value=TOP_K_MAX)
    score_threshold = forms.FloatField(label=_("Lowest score"), min_value=0, max_value=1)
    is_compared = forms.BooleanField(label=_("Compare with other settings"), required=False)
    other_mode = forms.ChoiceField(label=_("Search"), choices=SearchMode.choices, required=False)
    other_top_k = forms.IntegerField(
        label=_("Passages"), min_value=1, max_value=TOP_K_MAX, required=False
    )
    other_score_threshold = forms.FloatField(
        label=_("Lowest score"), min_value=0, max_value=1, required=False
    )

    @classmethod
    def filled(cls, base: Base) -> dict[str, Any]:
        return {
            "mode": base.mode,
            "top_k": base.top_k,
            "score_threshold": base.score_threshold,
            "other_mode": SearchMode.LEXICAL,
            "other_top_k": base.top_k,
            "other_score_threshold": base.score_threshold,
        }

    def settings(self, prefix: str = "") -> dict[str, Any]:
        names = ("mode", "top_k", "score_threshold")
        return {name: self.cleaned_data.get(f"{prefix}{name}") for name in names}


class FilterForm(forms.Form):
    """One condition; nothing where it is left empty."""

    name = forms.CharField(
        label=_("Field"),
        max_length=60,
        required=False,
        widget=forms.TextInput(attrs={"list": "field-names"}),
    )
    operator = forms.ChoiceField(label=_("Comparison"), choices=filtering.WORDS)
    value = forms.CharField(label=_("Value"), max_length=500, required=False)

    @property
    def condition(self) -> dict[str, Any] | None:
        """Of a valid one, as `filtering.read` takes it."""
        if not self.cleaned_data.get("name"):
            return None
        return {
            "name": self.cleaned_data["name"],
            "operator": self.cleaned_data["operator"],
            "value": filtering.value_of(self.cleaned_data["operator"], self.cleaned_data["value"]),
        }

    def clean(self) -> dict[str, Any]:
        given = super().clean() or {}
        if given.get("value") and not given.get("name"):
            self.add_error("name", _("Which field?"))
        if self.is_valid() and self.condition:
            try:
                filtering.read({"conditions": [self.condition]})
            except forms.ValidationError as error:
                self.add_error("value", error.messages)
        return given


FilterForms = forms.formset_factory(FilterForm, extra=3, max_num=3, absolute_max=3)


class MetadataForm(forms.Form):
    """The fields of a document: see fields.py."""

    metadata = forms.CharField(
        label=_("Fields"),
        required=False,
        max_length=20_000,
        widget=forms.Textarea(attrs={"rows": 5, "spellcheck": "false"}),
        help_text=_(
            "A line for each, “name: value”. Numbers, true and false are what they look like, in "
            "quotes they are texts. A name on several lines is a list."
        ),
    )

    def clean_metadata(self) -> dict[str, Any]:
        found = fields.read(self.cleaned_data["metadata"])
        try:
            return documents.cleaned_metadata(found)
        except forms.ValidationError as error:
            raise forms.ValidationError(error.messages) from error


class QuestionsForm(forms.Form):
    file = forms.FileField(label=_("Questions and passages"), allow_empty_file=True)
