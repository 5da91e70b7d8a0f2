"""What the home page shows: cards that the wiring layer adds, and where to go."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from accounts.access import current_user
from accounts.models import User
from chat.models import ChatSession
from llmplatform import demo_card
from providers.models import ProviderModel
from training.models import Dataset, Status, TrainingJob


@dataclass(frozen=True)
class Card:
    """`content` gives what the template needs, or None when there is nothing to show."""

    template: str
    content: Callable[[HttpRequest], dict[str, Any] | None]


@dataclass(frozen=True)
class Step:
    url_name: str
    icon: str
    label: str | Promise
    text: str | Promise

    @property
    def url(self) -> str:
        return reverse(self.url_name)


@dataclass(frozen=True)
class Milestone:
    """A step of the guided path; the first that is not done is the next."""

    title: str | Promise
    text: str | Promise
    action: str | Promise
    url: str
    is_done: bool
    is_next: bool = False


def _milestones(user: User) -> list[Milestone]:
    models = ProviderModel.objects.for_user(user).usable().chat()
    trained = TrainingJob.objects.for_user(user).filter(status=Status.SUCCESS)
    return [
        Milestone(
            _("Connect a model"),
            _("Add a provider with its key, or try out with the built-in echo."),
            _("Add a provider"),
            reverse("providers:choose"),
            models.exists(),
        ),
        Milestone(
            _("Upload data"),
            _("Examples of what a model should say: JSON or JSONL."),
            _("Upload a dataset"),
            reverse("datasets:upload"),
            Dataset.objects.for_user(user).exists(),
        ),
        Milestone(
            _("Train"),
            _("Teach a base model your examples and watch the curves."),
            _("New training"),
            reverse("training:create"),
            trained.exists(),
        ),
        Milestone(
            _("Chat"),
            _("Talk to any model you have connected or trained."),
            _("Start a chat"),
            reverse("chat:index"),
            ChatSession.objects.for_user(user).exists(),
        ),
    ]


def path_to_first_model(request: HttpRequest) -> dict[str, Any] | None:
    """The way through an empty platform; nothing once it has been gone."""
    steps = _milestones(current_user(request))
    left = [step for step in steps if not step.is_done]
    if not left:
        return None
    return {"steps": [replace(step, is_next=step is left[0]) for step in steps]}


CARDS: tuple[Card, ...] = (
    Card("home/demo.html", demo_card.content),
    Card("home/path.html", path_to_first_model),
)
STEPS: tuple[Step, ...] = (
    Step("chat:index", "chat", _("Chat"), _("Talk to any model you have connected.")),
    Step("datasets:list", "dataset", _("Datasets"), _("Examples that a training learns from.")),
    Step("training:list", "training", _("Training"), _("What runs, what waits, what came out.")),
    Step("models:list", "model", _("Models"), _("Base models and what you have trained.")),
    Step("providers:list", "provider", _("Providers"), _("Where models are called.")),
    Step("usage", "usage", _("Usage"), _("What was called, and what it cost.")),
    Step("accounts:key-list", "key", _("Personal keys"), _("Let programs call in your name.")),
    Step("accounts:profile", "user", _("Profile"), _("Password, language and theme.")),
)


def shown(request: HttpRequest) -> dict[str, Any]:
    cards = []
    for card in CARDS:
        content = card.content(request)
        if content is not None:
            cards.append({"template": card.template, "content": content})
    return {"cards": cards, "steps": STEPS}
