"""Verbs about knowledge bases: create, change, delete; and with which model one is indexed."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext as _

from accounts.models import User
from accounts.services import audit
from knowledge import changes, dispatch, files
from knowledge.models import Base, Document, Source, Space, SpaceStatus
from providers.models import Provider, ProviderModel

MAX_BASES = 500
SETTINGS = (
    "name",
    "description",
    "is_shared",
    "chunk_chars",
    "overlap_chars",
    "mode",
    "top_k",
    "score_threshold",
    "rerank_model",
)
CUT = ("chunk_chars", "overlap_chars")


def _check(base: Base) -> None:
    """ValidationError keyed by field."""
    base.name = base.name.strip()
    base.full_clean(exclude=["owner", "live_space", "provider", "dataset_id", "source"])
    check_cut(base.chunk_chars, base.overlap_chars)
    same = Base.objects.filter(owner=base.owner, name__iexact=base.name).exclude(pk=base.pk)
    if same.exists():
        raise ValidationError({"name": [_("You have a knowledge base of this name already.")]})


def check_cut(chunk_chars: int, overlap_chars: int) -> None:
    """What the two mean together. ValidationError keyed by field."""
    if overlap_chars * 2 > chunk_chars:
        text = _("The overlap can be half of a chunk at most.")
        raise ValidationError({"overlap_chars": [text]})


def create_base(
    *,
    owner: User,
    embedding_model: ProviderModel | None = None,
    provider: Provider | None = None,
    dataset_id: str = "",
    request: HttpRequest | None = None,
    **settings: Any,
) -> Base:
    """A base of `settings` (see SETTINGS); with `provider`, one of Dify's. ValidationError keyed
    by field."""
    source = Source.DIFY if provider is not None else Source.OWN
    base = Base(owner=owner, source=source, provider=provider, dataset_id=dataset_id)
    _set(base, settings)
    if Base.objects.filter(owner=owner).count() >= MAX_BASES:
        text = _("You have %(limit)d knowledge bases, which is the most one person can have.")
        raise ValidationError({"name": [text % {"limit": MAX_BASES}]})
    _check(base)
    with transaction.atomic():
        base.save()
        if base.is_own:
            _give_space(base, None)
            if embedding_model is not None:
                index_with(base=base, model=embedding_model)
        audit(
            actor=owner,
            action="knowledge.create",
            target=base,
            after=_told(base),
            request=request,
        )
    return base


def _set(base: Base, settings: dict[str, Any]) -> None:
    unknown = settings.keys() - {*SETTINGS}
    if unknown:
        raise TypeError(f"no settings of a base: {sorted(unknown)}")
    for name, value in settings.items():
        setattr(base, name, value)


def _told(base: Base) -> dict[str, Any]:
    shown = {name: getattr(base, name) for name in SETTINGS if name != "rerank_model"}
    return {**shown, "rerank_model": str(base.rerank_model or "")}


def change_base(
    *, base: Base, actor: User, request: HttpRequest | None = None, **settings: Any
) -> Base:
    """ValidationError keyed by field. With chunks of another size its documents are read again;
    the former chunks go on answering until then."""
    with transaction.atomic():
        base = changes.locked(base.pk)
        before = _told(base)
        _set(base, settings)
        _check(base)
        base.updated_at = timezone.now()
        base.save(update_fields=[*settings, "updated_at"])
        after = _told(base)
        if after == before:
            return base
        if any(before[name] != after[name] for name in CUT):
            reread(base=base)
        audit(
            actor=actor,
            action="knowledge.update",
            target=base,
            before=before,
            after=after,
            request=request,
        )
    return base


def reread(*, base: Base) -> int:
    """All documents wait to be read and cut again; how many. Those in work begin anew."""
    count = Document.objects.filter(base=base).wait_again()
    dispatch.look_at_documents()
    return count


def _give_space(base: Base, model: ProviderModel | None) -> Space:
    """A space to be built; of words alone there is nothing to build."""
    space = Space.objects.create(
        base=base,
        embedding_model=model,
        model_name=model.name[:200] if model is not None else "",
        status=SpaceStatus.BUILDING if model is not None else SpaceStatus.LIVE,
        live_at=None if model is not None else timezone.now(),
    )
    if model is None:
        _retire(base.live_space)
        base.live_space = space
        base.save(update_fields=["live_space"])
    return space


def _retire(space: Space | None) -> None:
    if space is not None:
        Space.objects.filter(pk=space.pk).update(status=SpaceStatus.RETIRED)


def index_with(*, base: Base, model: ProviderModel | None) -> Space:
    """Build the index anew with `model` (None: words only) while the present one answers. What was
    being built is given up. In a transaction."""
    unfinished = (SpaceStatus.BUILDING, SpaceStatus.KEPT, SpaceStatus.FAILED)
    base.spaces.filter(status__in=unfinished).update(status=SpaceStatus.RETIRED)
    space = _give_space(base, model)
    dispatch.look_at_documents()
    return space


def change_embedding_model(
    *,
    base: Base,
    model: ProviderModel | None,
    actor: User,
    request: HttpRequest | None = None,
) -> Space:
    """See `index_with`; with the model that it has already, everything is embedded again."""
    if model is not None and model.main_type != "embedding":
        text = _("This model makes no embeddings.")
        raise ValidationError({"embedding_model": [text]})
    with transaction.atomic():
        base = changes.locked(base.pk)
        was = str(base.live_space or "")
        space = index_with(base=base, model=model)
        audit(
            actor=actor,
            action="knowledge.index",
            target=base,
            before={"embedding_model": was},
            after={"embedding_model": str(space)},
            request=request,
        )
    return space


def use_space(*, space: Space, actor: User, request: HttpRequest | None = None) -> Base:
    """Let a space that was built and kept aside answer, though saved questions went worse."""
    with transaction.atomic():
        base = changes.locked(space.base_id)
        space = Space.objects.select_for_update().get(pk=space.pk)
        if space.status != SpaceStatus.KEPT:
            raise ValidationError(_("This index is not ready."))
        make_live(base, space)
        audit(
            actor=actor,
            action="knowledge.use_index",
            target=base,
            after={"embedding_model": str(space)},
            request=request,
        )
    return base


def make_live(base: Base, space: Space) -> None:
    """`space` answers from now on. In a transaction that holds the base's lock."""
    _retire(base.live_space)
    Space.objects.filter(pk=space.pk).update(status=SpaceStatus.LIVE, live_at=timezone.now())
    Base.objects.filter(pk=base.pk).update(live_space=space, updated_at=timezone.now())


def delete_base(*, base: Base, actor: User, request: HttpRequest | None = None) -> None:
    """With its documents and their files; its index goes with the next look of a worker."""
    with transaction.atomic():
        paths = list(base.documents.values_list("path", flat=True))
        spaces = list(base.spaces.values_list("pk", flat=True))
        audit(
            actor=actor,
            action="knowledge.delete",
            target=base,
            before={**_told(base), "documents": len(paths)},
            request=request,
        )
        base.delete()
        transaction.on_commit(lambda: _remove_files(paths))
        transaction.on_commit(lambda: dispatch.drop_spaces(spaces))


def _remove_files(paths: list[str]) -> None:
    for path in paths:
        files.remove(path)
