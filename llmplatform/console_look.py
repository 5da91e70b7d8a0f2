"""How unfold shows the console: the platform's colours (static/css/tokens.css) and a side bar."""

from collections.abc import Iterator
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.templatetags.static import static
from django.urls import reverse_lazy
from django.utils.functional import Promise
from django.utils.text import capfirst
from django.utils.translation import gettext_lazy as _

CONTENT_ICONS = {"chat": "forum", "prompts": "edit_note", "knowledge": "menu_book"}


def theme_of(request: HttpRequest) -> str | None:
    """What the person chose for the whole platform; None follows the system."""
    theme = getattr(request.user, "theme", "")
    return theme if theme in ("light", "dark") else None


def _link(title: str | Promise, icon: str, name: str) -> dict[str, Any]:
    return {"title": title, "icon": icon, "link": reverse_lazy(name)}


def _list(title: str | Promise, icon: str, model: str) -> dict[str, Any]:
    return _link(title, icon, f"admin:{model}_changelist")


def _group(title: str | Promise, *items: dict[str, Any]) -> dict[str, Any]:
    return {"title": title, "separator": True, "items": list(items)}


def _stylesheet(path: str) -> Any:
    return lambda request: static(path)


def navigation(request: HttpRequest) -> list[dict[str, Any]]:
    return [
        {
            "items": [
                _link(_("Back to the platform"), "arrow_back", "home") | {"active": False},
                _link(_("Overview"), "monitoring", "admin:index"),
            ]
        },
        _group(
            _("People"),
            _list(_("Users"), "group", "accounts_user"),
            _list(_("Personal keys"), "key", "accounts_apikey"),
            _list(_("API sessions"), "devices", "accounts_authsession"),
        ),
        _group(
            _("Models"),
            _list(_("Providers"), "hub", "providers_provider"),
            _list(_("Models"), "deployed_code", "providers_providermodel"),
            _list(_("Aliases"), "alt_route", "providers_alias"),
            _list(_("Health of models"), "ecg_heart", "providers_modelhealth"),
            _list(_("Prices"), "payments", "providers_modelprice"),
            _list(_("Calls"), "swap_vert", "providers_callrecord"),
        ),
        _group(
            _("Training"),
            _list(_("Jobs"), "model_training", "training_trainingjob"),
            _list(_("Sweeps"), "grid_view", "training_sweep"),
            _list(_("Deployments"), "rocket_launch", "training_deployment"),
            _list(_("Parity checks"), "compare_arrows", "training_paritycheck"),
            _list(_("Model versions"), "inventory_2", "training_modelversion"),
            _list(_("Evaluations"), "grading", "training_evaluation"),
            _list(_("Exports"), "archive", "training_modelexport"),
            _list(_("Exceptions for labels"), "verified_user", "training_labelwaiver"),
            _list(_("Base models"), "foundation", "training_basemodel"),
            _list(_("Model downloads"), "download", "training_modelfetch"),
            _list(_("Datasets"), "dataset", "training_dataset"),
            _list(_("Nodes"), "dns", "training_node"),
            _list(_("Sharing of machines"), "balance", "training_sharingsettings"),
            _list(_("GPU quotas"), "timer", "training_gpuquota"),
        ),
        _group(_("Content"), *_content()),
        _group(
            _("Platform"),
            _list(_("Settings"), "tune", "accounts_platformsettings"),
            _list(_("Audit log"), "policy", "accounts_auditevent"),
        ),
    ]


def _content() -> Iterator[dict[str, Any]]:
    """Every list of the apps that hold what people write."""
    for model in admin.site._registry:
        app = model._meta.app_label
        if app in CONTENT_ICONS:
            title = capfirst(model._meta.verbose_name_plural or "")
            yield _list(title, CONTENT_ICONS[app], f"{app}_{model._meta.model_name}")


UNFOLD: dict[str, Any] = {
    "SITE_TITLE": _("Console"),
    "SITE_HEADER": _("Console"),
    "SITE_SUBHEADER": _("LLM platform"),
    "SITE_URL": "/",
    "SITE_SYMBOL": "monitoring",
    "SITE_FAVICONS": [
        {"rel": "icon", "type": "image/svg+xml", "href": _stylesheet("img/favicon.svg")}
    ],
    "THEME": theme_of,
    "SHOW_LANGUAGES": True,
    "LANGUAGES": {
        "action": reverse_lazy("set-language"),
        "navigation": [
            {"code": "zh-hans", "name_local": "简体中文"},
            {"code": "en", "name_local": "English"},
        ],
    },
    "SHOW_HISTORY": True,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "STYLES": [_stylesheet(f"css/{name}.css") for name in ("tokens", "bars", "meter", "console")],
    "SCRIPTS": [_stylesheet("js/console.js")],
    "COMMAND": {"search_models": False, "show_history": False},
    "COLORS": {
        "base": {
            "50": "#f6f6f9",
            "100": "#eeeef3",
            "200": "#e3e3ea",
            "300": "#c9cad5",
            "400": "#a2a4b3",
            "500": "#6b6e7e",
            "600": "#565969",
            "700": "#3b3d49",
            "800": "#292a33",
            "900": "#16171c",
            "950": "#101115",
        },
        "primary": {
            "50": "#f6f5fe",
            "100": "#efeefd",
            "200": "#dcdafb",
            "300": "#c2bdff",
            "400": "#a49dff",
            "500": "#a49dff",
            "600": "#5046d8",
            "700": "#4238c4",
            "800": "#362ea1",
            "900": "#2b2681",
            "950": "#1c1957",
        },
    },
    "SIDEBAR": {
        "show_search": False,
        "command_search": False,
        "show_all_applications": False,
        "navigation": navigation,
    },
}
