"""Forms of the provider pages."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import BaseValidator
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _

from llmplatform.audited_admin import put_on
from providers.checks import CLIENT_ID_MISSING, check_url, checked_key
from providers.connections import PATIENCE, checked_setting
from providers.differences import DIFFERENCES, is_header_name
from providers.json_field import JsonObjectField
from providers.models import OwnPrice, Provider, ProviderModel
from providers.own_prices import RATES
from providers.presets import BY_SLUG, PRESETS, Preset
from providers.type_names import TYPE_NAMES

ORDER = {name: place for place, name in enumerate(TYPE_NAMES)}
SIGN_IN = ("sign_in", "key_name", "token_url", "client_id", "scope", "style")
ADVANCED = ("drop_params", "extra_body", "profile")
OAUTH = SIGN_IN[2:]
NAMED = ("header", "query")
WAYS = (
    ("", _("As usual for this provider")),
    ("bearer", _("Authorization: Bearer")),
    ("header", _("A header of another name")),
    ("query", _("A parameter in the address")),
    ("jwt", _("A signed token (Zhipu)")),
    ("oauth", _("OAuth2 client credentials")),
    ("none", _("No key at all")),
)
STYLE_WORDS = (
    ("basic", _("In a header (Basic), as the standard prefers")),
    ("body", _("In the body")),
    ("query", _("In the address (Baidu)")),
)


class ProviderForm(forms.Form):
    """Add or edit; what a preset knows is filled in. `values` is what the services take."""

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
        widget=forms.PasswordInput(attrs={"autocomplete": "off", "hx-preserve": "true"}),
        help_text=_("Stored encrypted and never shown again."),
    )
    is_shared = forms.BooleanField(
        label=_("Share with everyone"),
        required=False,
        help_text=_("Everybody in the company can use its models; nobody sees the key."),
    )
    sign_in = forms.ChoiceField(label=_("How the key is sent"), choices=WAYS, required=False)
    key_name = forms.CharField(
        label=_("Name of the header or parameter"),
        max_length=100,
        required=False,
        help_text=_("For example X-API-Key, or access_token."),
    )
    token_url = forms.CharField(
        label=_("Token URL"),
        max_length=500,
        required=False,
        help_text=_(
            "Where tokens are fetched, for example https://login.example.com/oauth2/token."
        ),
    )
    client_id = forms.CharField(label=_("Client id"), max_length=300, required=False)
    scope = forms.CharField(
        label=_("Scope"),
        max_length=500,
        required=False,
        help_text=_("Only where the provider asks for one; several with spaces."),
    )
    style = forms.ChoiceField(
        label=_("How the client shows itself"), choices=STYLE_WORDS, required=False
    )
    drop_params = forms.CharField(
        label=_("Left out of every request"),
        max_length=2000,
        required=False,
        help_text=_(
            "Names of parameters with commas, for example: seed, logprobs. Not model, messages or "
            "stream."
        ),
    )
    extra_body = JsonObjectField(
        label=_("Added to every request"),
        help_text=_(
            "A JSON object that is merged into the body of every chat, for example "
            '{"safe_prompt": true}. Not model, messages or stream.'
        ),
    )
    profile = JsonObjectField(
        label=_("Differences"),
        help_text=_(
            'A JSON object, for example {"include_usage": false}. What it may hold is listed below.'
        ),
    )

    def __init__(self, *args: Any, preset: Preset, may_share: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in PATIENCE:
            field = Provider._meta.get_field(name).formfield()  # type: ignore[union-attr]
            assert isinstance(field, forms.IntegerField)
            field.label, field.required = str(field.label).capitalize(), False
            least, most = (each.limit_value for each in _bounds(name))
            bounds = _("From %(least)d to %(most)d.") % {"least": least, "most": most}
            field.help_text = f"{bounds} {field.help_text}"
            self.fields[name] = field
        if preset.kind == "echo":
            for name in ("base_url", "api_key", *SIGN_IN, *ADVANCED, *PATIENCE):
                del self.fields[name]
        else:
            self.fields["base_url"].required = True
            self.fields["base_url"].widget.attrs["list"] = "addresses"
            self.fields["api_key"].label = _key_label()
            self.fields["api_key"].help_text = self._key_help(preset)
            self.is_key_needed = preset.needs_key and "initial" not in kwargs
        if not may_share:
            del self.fields["is_shared"]

    is_key_needed = False

    @staticmethod
    def initial_of(provider: Provider) -> dict[str, Any]:
        """What the form shows of a connection: never its key."""
        profile = dict(provider.profile)
        way, _colon, name = str(profile.get("auth", "")).partition(":")
        sign_in = "oauth" if provider.oauth else way
        if not provider.oauth:
            profile.pop("auth", None)
        return {
            "name": provider.name,
            "base_url": provider.base_url,
            "sign_in": sign_in,
            "key_name": "" if provider.oauth else name,
            **provider.oauth,
            "drop_params": ", ".join(provider.drop_params),
            "extra_body": provider.extra_body,
            "profile": profile,
            **{field: getattr(provider, field) for field in PATIENCE},
        }

    def clean_drop_params(self) -> list[str]:
        text = self.cleaned_data["drop_params"].replace("，", ",").replace("\n", ",")
        return [each.strip() for each in text.split(",") if each.strip()]

    def clean_key_name(self) -> str:
        name: str = self.cleaned_data["key_name"].strip()
        if self.cleaned_data.get("sign_in") in NAMED and not is_header_name(name):
            raise ValidationError(_("Enter a name of letters, digits and hyphens."))
        return name

    def clean(self) -> None:
        """All that is wrong, each beside its field."""
        if "sign_in" not in self.fields:
            return
        self._check("base_url", check_url)
        self._check("api_key", checked_key)
        self._require_key()
        for name in PATIENCE:
            if self.cleaned_data.get(name, 0) is None:
                self.cleaned_data[name] = self.fields[name].initial
        for name in (*PATIENCE, "drop_params", "extra_body"):
            self._check(name, partial(checked_setting, name))
        self.cleaned_data["oauth"] = self._oauth()
        self._check("oauth", partial(checked_setting, "oauth"))
        if "profile" in self.cleaned_data and "key_name" not in self.errors:
            self.cleaned_data["profile"] = self._profile()
            self._check("profile", partial(checked_setting, "profile"))

    def _require_key(self) -> None:
        way = self.cleaned_data.get("sign_in")
        has_key = bool(self.cleaned_data.get("api_key")) or "api_key" in self.errors
        if self.is_key_needed and not has_key and way != "none":
            is_secret, key = way == "oauth", _("Enter the key, or choose that none is sent.")
            self.add_error("api_key", _("Enter the client secret.") if is_secret else key)
        if way == "oauth" and not self.cleaned_data.get("token_url"):
            self.add_error("token_url", _("Enter the address where tokens are fetched."))
            if not self.cleaned_data.get("client_id"):
                self.add_error("client_id", CLIENT_ID_MISSING)

    def _check(self, name: str, check: Callable[[Any], Any]) -> None:
        """Keeps what `check` makes of a value; what is wrong already is not judged again."""
        if name in self.errors or name not in self.cleaned_data:
            return
        try:
            found = check(self.cleaned_data[name])
        except ValidationError as error:
            put_on(self, error)
        else:
            self.cleaned_data[name] = self.cleaned_data[name] if found is None else found

    def _oauth(self) -> dict[str, Any]:
        if self.cleaned_data.get("sign_in") != "oauth" or "token_url" in self.errors:
            return {}
        return {name: self.cleaned_data.get(name, "") for name in OAUTH}

    def _profile(self) -> dict[str, Any]:
        way = self.cleaned_data.get("sign_in", "")
        profile: dict[str, Any] = self.cleaned_data["profile"]
        if not way or way == "oauth":
            return profile
        name = self.cleaned_data.get("key_name", "")
        return profile | {"auth": f"{way}:{name}" if way in NAMED else way}

    @property
    def values(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name not in SIGN_IN}

    def _fields(self, names: tuple[str, ...]) -> list[forms.BoundField]:
        return [self[name] for name in names if name in self.fields]

    @property
    def plain_fields(self) -> list[forms.BoundField]:
        return self._fields(("name", "base_url", "api_key", "is_shared"))

    @property
    def sign_in_fields(self) -> list[forms.BoundField]:
        return self._fields(SIGN_IN)

    @property
    def patience_fields(self) -> list[forms.BoundField]:
        return self._fields(PATIENCE)

    @property
    def advanced_fields(self) -> list[forms.BoundField]:
        return self._fields(ADVANCED)

    @property
    def has_sign_in(self) -> bool:
        """Whether its fold is to be open, and so on. It holds the way out of a missing key."""
        if self.is_key_needed and "api_key" in self.errors:
            return True
        return _is_used(self.sign_in_fields, {"style": "basic"})

    @property
    def has_patience(self) -> bool:
        usual = {name: Provider._meta.get_field(name).default for name in PATIENCE}  # type: ignore[union-attr]
        return _is_used(self.patience_fields, usual)

    @property
    def has_advanced(self) -> bool:
        return _is_used(self.advanced_fields, {})

    differences = DIFFERENCES

    def _key_help(self, preset: Preset) -> str:
        stored = str(self.fields["api_key"].help_text)
        return f"{preset.key_note} {stored}" if preset.key_note else stored


def _key_label() -> str:
    """With OAuth2 the style sheet shows the second."""
    markup = '<span class="unless-oauth">{}</span><span class="when-oauth">{}</span>'
    return format_html(markup, _("API key"), _("Client secret"))


def _bounds(name: str) -> list[BaseValidator]:
    """The least and the most of a number of a connection."""
    own = Provider._meta.get_field(name)._validators  # type: ignore[union-attr]
    return [each for each in own if isinstance(each, BaseValidator)]


def _is_used(fields: list[forms.BoundField], usual: Mapping[str, Any]) -> bool:
    """Whether one says something else than usual, or is wrong."""
    for field in fields:
        value = field.value()
        if field.errors or (value and str(value) != str(usual.get(field.name, ""))):
            return True
    return False


def preset_of(slug: str) -> Preset:
    return BY_SLUG.get(slug, PRESETS[0])


class ModelIdForm(forms.Form):
    """A model that no list names. The services have the rules; what they refuse stays here."""

    model_id = forms.CharField(
        label=_("Model id"),
        required=False,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text=_("As the provider writes it, for example gpt-4o or org/model:free."),
    )


class TypesField(forms.MultipleChoiceField):
    """Checkboxes; names with commas in one value, as programs post them, are good too."""

    widget = forms.CheckboxSelectMultiple

    def to_python(self, value: Any) -> list[str]:
        names = [name.strip() for each in super().to_python(value) for name in each.split(",")]
        return list(dict.fromkeys(filter(None, names)))

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(initial, self.to_python(data))


class ModelForm(forms.ModelForm[ProviderModel]):
    """What a person may change about a model."""

    types = TypesField(
        label=_("Types"),
        choices=tuple(TYPE_NAMES.items()),
        help_text=_(
            "What it does; of a chat model also whether it reads images (vision) and thinks before "
            "it answers (reasoning). Of several, the one that was first stays the main type."
        ),
        error_messages={
            "required": _("Choose at least one type."),
            "invalid_choice": _("There is no type “%(value)s”."),
        },
    )

    class Meta:
        model = ProviderModel
        fields = (
            *("name", "types", "context_tokens", "system_prompt", "temperature", "top_p"),
            *("max_tokens", "is_enabled"),
        )

    def clean_types(self) -> list[str]:
        """The main type first: what it was, where that stays."""
        chosen: list[str] = self.cleaned_data["types"]
        return sorted(chosen, key=lambda name: (name != self.instance.main_type, ORDER[name]))


class PriceForm(forms.ModelForm[OwnPrice]):
    """A model's own price from a day on."""

    class Meta:
        model = OwnPrice
        fields = ("valid_from", "currency", *RATES)
        widgets = {"valid_from": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")}
        help_texts = {
            "valid_from": _("Calls of earlier days keep what they cost."),
            "cached_input_per_mtok": _("Empty: as input."),
            "cache_write_per_mtok": _("Empty: as input."),
            "reasoning_per_mtok": _("Empty: as output."),
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in RATES:
            self.fields[name].widget.attrs |= {"min": "0", "step": "any", "inputmode": "decimal"}

    def _get_validation_exclusions(self) -> set[str]:
        """A second price of the same day takes the place of the first."""
        found: set[str] = super()._get_validation_exclusions()  # type: ignore[misc]
        return {*found, "model"}
