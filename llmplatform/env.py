"""Typed readers for environment variables; a wrong value is named, never guessed."""

import os
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = {"1", "true", "yes", "on"}
FALSE = {"0", "false", "no", "off", ""}


def read_text(name: str, default: str = "", env: Mapping[str, str] = os.environ) -> str:
    return env.get(name, "").strip() or default


def read_bool(name: str, default: bool = False, env: Mapping[str, str] = os.environ) -> bool:
    value = env.get(name)
    if value is None:
        return default
    folded = value.strip().lower()
    if folded in TRUE:
        return True
    if folded in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be one of 1/0, true/false, yes/no, on/off.")


def read_int(name: str, default: int, env: Mapping[str, str] = os.environ) -> int:
    value = read_text(name, str(default), env)
    try:
        return int(value)
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from error


def read_decimal(name: str, default: str, env: Mapping[str, str] = os.environ) -> Decimal:
    """A number above zero."""
    value = read_text(name, default, env)
    try:
        number = Decimal(value)
        if number.is_finite() and number > 0:
            return number
    except InvalidOperation:
        pass
    raise ImproperlyConfigured(f"{name} must be a number above zero, not {value!r}.")


def read_list(
    name: str, default: tuple[str, ...] = (), env: Mapping[str, str] = os.environ
) -> list[str]:
    """Comma-separated; blanks around items are dropped."""
    items = [item.strip() for item in env.get(name, "").split(",") if item.strip()]
    return items or list(default)


def read_path(name: str, default: Path, env: Mapping[str, str] = os.environ) -> Path:
    value = read_text(name, "", env)
    return Path(value).expanduser().resolve() if value else default
