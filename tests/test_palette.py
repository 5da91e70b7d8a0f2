"""Ctrl K finds what one may see by its name, and nothing of others."""

from collections.abc import Callable

from django.test import Client

from accounts.models import User
from tests.belongings import BELONGINGS, CANARY
from tests.routes import Route

THINGS = (
    "training/<uuid:job_id>/",
    "models/<int:version_id>/",
    "models/base/<int:base_id>/",
    "datasets/<int:dataset_id>/",
    "chat/<uuid:session_id>/",
    "prompts/<int:prompt_id>/",
    "providers/<int:provider_id>/",
)


def test_it_finds_what_one_may_see(
    alice: User, bob: User, client_for: Callable[[User], Client]
) -> None:
    urls = {Route(template).url(**BELONGINGS[template](alice)) for template in THINGS}
    part = CANARY[3:].upper()
    found = client_for(alice).get("/palette/", {"q": part}).json()["items"]
    assert urls <= {item["url"] for item in found}
    assert client_for(bob).get("/palette/", {"q": part}).json()["items"] == []
