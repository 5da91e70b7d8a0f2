"""The form of an evaluation."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models import ProviderModel
from training import evaluation
from training.models import Dataset, HeldOut, ModelVersion

SEPARATOR = "=>"


def probes_from(text: str) -> list[dict[str, str]]:
    """One question a line; what follows `=>` is the expected answer."""
    rows = []
    for line in text.splitlines():
        question, _sign, answer = line.partition(SEPARATOR)
        if line.strip():
            rows.append({"question": question.strip(), "answer": answer.strip()})
    return rows


class EvaluationForm(forms.Form):
    """What to compare the two models on, and who judges."""

    source = forms.ChoiceField(label=_("Examples from"))
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        label=_("Dataset"),
        required=False,
        empty_label=_("Choose a dataset"),
        widget=forms.Select(attrs={"data-when": f"source={HeldOut.DATASET}"}),
        help_text=_("Only for “Another dataset”: one that the model has not learnt from."),
    )
    probes = forms.CharField(
        label=_("Questions"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 5, "data-when": f"source={HeldOut.PROBES}"}),
        help_text=_(
            "Only for questions that you type in: one a line. Write => and the answer you expect "
            "behind a question if there is a right one."
        ),
    )
    limit = forms.IntegerField(
        label=_("Examples at most"),
        min_value=1,
        max_value=evaluation.LIMIT_MAX,
        initial=evaluation.USUAL_LIMIT,
        help_text=_("Both models answer each of them, so twice as many take twice as long."),
    )
    max_new_tokens = forms.IntegerField(
        label=_("Tokens an answer"),
        min_value=1,
        max_value=evaluation.TOKENS_MAX,
        initial=evaluation.USUAL_TOKENS,
        help_text=_("Longer answers are cut off here, for both models alike."),
    )
    judge = forms.ModelChoiceField(
        ProviderModel.objects.none(),
        label=_("Judge"),
        required=False,
        empty_label=_("No judge: the scores decide"),
        help_text=_(
            "A model that reads both answers and picks the better one. Its calls are paid "
            "like any others of yours."
        ),
    )
    rubric = forms.CharField(
        label=_("Rubric"),
        required=False,
        max_length=evaluation.CHARS_MAX,
        widget=forms.Textarea(attrs={"rows": 3, "data-when": "judge"}),
        help_text=_("What makes an answer a good one. Left empty, correctness decides."),
    )

    def __init__(self, *args: Any, user: User, version: ModelVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        allowed = evaluation.sources_for(version)
        source, dataset, judge = (self.fields[n] for n in ("source", "dataset", "judge"))
        assert isinstance(source, forms.ChoiceField)
        assert isinstance(dataset, forms.ModelChoiceField)
        assert isinstance(judge, forms.ModelChoiceField)
        source.choices = [(each, HeldOut(each).label) for each in allowed]
        if allowed[0] != HeldOut.SHARE:
            source.help_text = _(
                "This training held nothing back. Next time set a validation share to have "
                "examples at hand that the model has not seen."
            )
        dataset.queryset = Dataset.objects.for_user(user)
        models = ProviderModel.objects.for_user(user).usable().select_related("provider")
        judge.queryset = models.filter(main_type="chat")

    def wanted(self) -> dict[str, Any]:
        """As evaluation.begin() takes it."""
        return self.cleaned_data | {"probes": probes_from(self.cleaned_data["probes"])}
