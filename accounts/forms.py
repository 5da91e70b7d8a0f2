"""Forms of the account pages."""

from datetime import timedelta
from typing import Any

from django import forms
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import LIMITS, ApiKey, ChannelKind, Language, Theme


class SignInForm(forms.Form):
    email = forms.EmailField(
        label=_("E-mail"),
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "username", "autofocus": True}),
    )
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class RegistrationForm(SignInForm):
    password = forms.CharField(
        label=_("Password"),
        max_length=4096,
        strip=False,
        help_text=_("At least 12 characters; a few words are easier than symbols."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PasswordForm(forms.Form):
    old_password = forms.CharField(
        label=_("Current password"),
        max_length=4096,
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    new_password = forms.CharField(
        label=_("New password"),
        max_length=4096,
        strip=False,
        help_text=_("At least 12 characters; a few words are easier than symbols."),
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )


class PreferencesForm(forms.Form):
    language = forms.ChoiceField(label=_("Language"), choices=Language.choices)
    theme = forms.ChoiceField(label=_("Theme"), choices=Theme.choices)


class ChannelForm(forms.Form):
    """Where to send notices."""

    kind = forms.ChoiceField(label=_("Kind"), choices=ChannelKind.choices)
    name = forms.CharField(label=_("Name"), max_length=100)
    address = forms.CharField(
        label=_("Address"),
        max_length=1000,
        required=False,
        help_text=_(
            "The address that the robot's settings show, or your own endpoint. E-mail goes to "
            "your account's address."
        ),
    )
    secret = forms.CharField(
        label=_("Signing secret"),
        max_length=200,
        required=False,
        help_text=_("Where the robot asks for a signature; webhooks are signed with it."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )


class EditChannelForm(forms.Form):
    """What is left empty stays as it is, and is not shown."""

    name = forms.CharField(label=_("Name"), max_length=100)
    address = forms.CharField(
        label=_("Address"),
        max_length=1000,
        required=False,
        help_text=_("Leave empty to keep it. A new address needs its signing secret, too."),
    )
    secret = forms.CharField(
        label=_("Signing secret"),
        max_length=200,
        required=False,
        help_text=_("Leave empty to keep it."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    is_enabled = forms.BooleanField(label=_("Send notices through it"), required=False)


class ScopeField(forms.MultipleChoiceField):
    """Names of models and aliases; the service knows which there are."""

    def valid_value(self, value: object) -> bool:
        return 0 < len(str(value)) <= 310


class Expiry(models.TextChoices):
    NEVER = "never", _("Never")
    MONTH = "30", _("In 30 days")
    QUARTER = "90", _("In 90 days")
    DATE = "date", _("On a date")


class KeyForm(forms.ModelForm[ApiKey]):
    allowed_models = ScopeField(label=_("Models"), required=False)
    expiry = forms.ChoiceField(label=_("Expires"), choices=Expiry.choices, required=False)

    class Meta:
        model = ApiKey
        fields = ("name", "expiry", "expires_at", "allowed_models", *LIMITS)
        widgets = {
            "expires_at": forms.DateTimeInput(
                attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"
            )
        }
        labels = {"expires_at": _("Date and time (UTC)")}
        help_texts = {"name": _("Where it is used, for example “laptop” or “CI”.")}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.initial.setdefault("expiry", Expiry.DATE if self.instance.expires_at else Expiry.NEVER)

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        expiry = cleaned.get("expiry") or Expiry.DATE
        if expiry == Expiry.NEVER:
            cleaned["expires_at"] = None
        elif expiry != Expiry.DATE:
            cleaned["expires_at"] = timezone.now() + timedelta(days=int(expiry))
        elif self.data.get("expiry") and not cleaned.get("expires_at"):
            self.add_error("expires_at", _("Choose the date."))
        return cleaned

    def values(self) -> dict[str, Any]:
        """What the services take."""
        return {name: value for name, value in self.cleaned_data.items() if name != "expiry"}

    @property
    def limit_fields(self) -> list[forms.BoundField]:
        return [self[name] for name in LIMITS]

    @property
    def has_limits(self) -> bool:
        """Something is limited, or wrong about a limit: show that part."""
        return any(field.value() not in (None, "") or field.errors for field in self.limit_fields)
