"""What Ctrl K finds: pages, what one can start, and the things one may see, by their names."""

from collections.abc import Iterator
from dataclasses import dataclass

from django.db.models import Model
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from chat.models import ChatSession, Comparison
from chat.search.finding import find
from chat.search.pages import page_of
from knowledge.models import Base, Document
from llmplatform.navigation import GROUPS, Entry
from prompts.models import Prompt
from providers.models import Provider
from training.models import BaseModel, Dataset, ModelVersion, TrainingJob

STARTS = (
    Entry(_("New chat"), "chat:index", "chat"),
    Entry(_("New comparison"), "compare:index", "compare"),
    Entry(_("New training"), "training:create", "training"),
    Entry(_("Upload dataset"), "datasets:upload", "dataset"),
    Entry(_("Register a base model"), "models:create-base", "model"),
    Entry(_("Add provider"), "providers:choose", "provider"),
    Entry(_("New prompt"), "prompts:create", "prompt"),
    Entry(_("New knowledge base"), "knowledge:create", "knowledge"),
)
# Label, rows, the field with their name, their page.
KINDS: tuple[tuple[str | Promise, type[Model], str, str], ...] = (
    (_("Training"), TrainingJob, "name", "training:detail"),
    (_("Models"), ModelVersion, "name", "models:detail"),
    (_("Base models"), BaseModel, "name", "models:base"),
    (_("Datasets"), Dataset, "name", "datasets:detail"),
    (_("Compare"), Comparison, "title", "compare:detail"),
    (_("Prompts"), Prompt, "title", "prompts:detail"),
    (_("Knowledge"), Base, "name", "knowledge:detail"),
    (_("Documents"), Document, "name", "knowledge:document"),
    (_("Providers"), Provider, "name", "providers:detail"),
)
MOST_OF_A_KIND = 5


@dataclass(frozen=True)
class Item:
    """`text`: what of its contents was searched for."""

    label: str
    url: str
    group: str
    text: str = ""


def found(user: User, words: str) -> list[Item]:
    """Without `words`: the pages and what one can start."""
    wanted = words.strip()
    named = [item for item in _entries(user) if wanted.casefold() in item.label.casefold()]
    return [*named, *_things(user, wanted), *_chats(user, wanted)] if wanted else named


def _entries(user: User) -> Iterator[Item]:
    for group in GROUPS:
        for entry in group.entries:
            if user.is_admin or not entry.admins_only:
                yield Item(str(entry.label), reverse(entry.url_name), str(group.label))
    for entry in STARTS:
        yield Item(str(entry.label), reverse(entry.url_name), gettext("Begin"))


def _chats(user: User, words: str) -> Iterator[Item]:
    """By their titles, and by what was said in them."""
    chats = ChatSession.objects.for_user(user)
    for hit in find(chats, owner=user, text=words, count=MOST_OF_A_KIND).items:
        text = hit.snippet.text if hit.snippet else ""
        yield Item(str(hit.chat), page_of(hit, words), gettext("Chat"), text)


def _things(user: User, words: str) -> Iterator[Item]:
    """The newest of each kind."""
    for label, model, field, url_name in KINDS:
        rows = model.objects.for_user(user).filter(**{f"{field}__icontains": words})  # type: ignore[attr-defined]
        for pk, name in rows.order_by("-created_at").values_list("pk", field)[:MOST_OF_A_KIND]:
            yield Item(name, reverse(url_name, args=[pk]), str(label))
