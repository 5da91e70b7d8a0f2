"""Forms of the provider pages."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from providers.models import ProviderModel
from providers.presets import BY_SLUG, PRESETS, Preset

ADVANCED = ("drop_params", "extra_body", "profile")


class ProviderForm(forms.Form):
    """Add or edit; what a preset knows is filled in."""

    name = forms.CharField(label=_("Name"), max_length=100)
    base_url = forms.CharField(
        label=_("Base URL"),
        max_length=500,
        required=False,
        help_text=_("Up to and including the version, for example https://api.example.com/v1"),
    )
    api_key = forms.CharField(
        label=_("API key"),
        max_length=4000,
        required=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
        help_text=_("Stored encrypted and never shown again."),
    )
    is_shared = forms.BooleanField(
        label=_("Share with everyone"),
        required=False,
        help_text=_("Everybody in the company can use its models; nobody sees the key."),
    )

    drop_params = forms.CharField(
        label=_("Left out of every request"),
        max_length=1000,
        required=False,
        help_text=_("Names of parameters with commas, such as seed, logprobs."),
    )
    extra_body = forms.JSONField(
        label=_("Added to every request"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"}),
        help_text=_("A JSON object that is merged into the body of every chat."),
    )
    profile = forms.JSONField(
        label=_("Differences"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false", "class": "mono"}),
        help_text=_(
            "A JSON object: auth, headers, paths, api_version, max_tokens_field, include_usage, "
            "thinking, starts_in_think, app_mode."
        ),
    )

    def __init__(self, *args: Any, preset: Preset, may_share: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if preset.kind == "echo":
            for name in ADVANCED:
                del self.fields[name]
        if preset.kind == "echo":
            del self.fields["base_url"], self.fields["api_key"]
        else:
            self.fields["base_url"].required = True
            self.fields["base_url"].widget.attrs["list"] = "addresses"
            self.fields["api_key"].help_text = self._key_help(preset)
            self.fields["api_key"].required = preset.needs_key and "initial" not in kwargs
        if not may_share:
            del self.fields["is_shared"]

    def clean_drop_params(self) -> list[str]:
        return [
            each.strip() for each in self.cleaned_data["drop_params"].split(",") if each.strip()
        ]

    def clean_extra_body(self) -> Any:
        return self.cleaned_data["extra_body"] or {}

    def clean_profile(self) -> Any:
        return self.cleaned_data["profile"] or {}

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name not in ADVANCED]

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return [field for field in self if field.name in ADVANCED]

    @property
    def has_advanced(self) -> bool:
        """Whether the fold is to be open."""
        return any(field.initial or field.errors for field in self.advanced_fields)

    def _key_help(self, preset: Preset) -> str:
        stored = str(self.fields["api_key"].help_text)
        return f"{preset.key_note} {stored}" if preset.key_note else stored


def preset_of(slug: str) -> Preset:
    return BY_SLUG.get(slug, PRESETS[0])


class ModelForm(forms.ModelForm[ProviderModel]):
    """What a person may change about a model; `types` as words with commas."""

    types = forms.CharField(
        label=_("Types"),
        max_length=200,
        help_text=_(
            "The main type first: chat, embedding, rerank, image … then vision, reasoning."
        ),
    )

    class Meta:
        model = ProviderModel
        fields = (
            *("name", "types", "context_tokens", "system_prompt", "temperature", "top_p"),
            *("max_tokens", "price_in_usd_per_mtok", "price_out_usd_per_mtok", "is_enabled"),
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial["types"] = ", ".join(self.instance.types)

    def clean_types(self) -> list[str]:
        words = [word.strip() for word in self.cleaned_data["types"].split(",") if word.strip()]
        if not words:
            raise forms.ValidationError(_("Name at least one type."))
        return words
