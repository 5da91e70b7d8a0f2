"""What holds for every table."""

from typing import Any

import pytest
from django.apps import apps


def orders() -> list[Any]:
    return [
        pytest.param(model, str(name).lstrip("-"), id=f"{model._meta.label}.{name}")
        for model in apps.get_models()
        for name in model._meta.ordering or ()
        if isinstance(name, str) and "__" not in name and name.lstrip("-") not in ("pk", "?")
    ]


@pytest.mark.parametrize(("model", "name"), orders())
def test_no_table_is_ordered_through_another(model: Any, name: str) -> None:
    """By a foreign key's name Django orders as the other table is, and joins it for every query;
    `…_id` is meant."""
    field = model._meta.get_field(name)
    assert not field.is_relation or name == field.attname
