"""API: `aliases`."""

from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router
from pydantic import Field

from accounts.access import current_user, owned_or_404
from llmplatform.schemas import Answer, Page, Paging, Schema, Str, paginate
from providers import aliases
from providers.models import Alias

router = Router(tags=["Aliases"])


Id = Annotated[int, Field(ge=1, le=2**63 - 1)]


class AliasIn(Schema):
    """`models`: ids in the order in which they are tried."""

    name: Str = Field(min_length=1, max_length=100)
    strategy: Str = Field("order", max_length=10, description="order, weight, latency or cost")
    retries: int = Field(1, ge=0, le=5)
    models: list[Id] = Field(default_factory=list, max_length=aliases.MEMBERS_MAX)
    is_shared: bool = False


class AliasPatch(Schema):
    """`weights`: by the id of a model."""

    name: Str | None = Field(None, min_length=1, max_length=100)
    strategy: Str | None = Field(None, max_length=10)
    retries: int | None = Field(None, ge=0, le=5)
    models: list[Id] | None = Field(None, max_length=aliases.MEMBERS_MAX)
    weights: dict[Id, int] | None = None
    is_enabled: bool | None = None


class MemberOut(Answer):
    id: int = Field(validation_alias="model_id")
    model: str
    weight: int

    @staticmethod
    def resolve_model(member: object) -> str:
        return str(member.model)  # type: ignore[attr-defined]


class AliasOut(Answer):
    id: int
    name: str
    strategy: str
    retries: int
    is_enabled: bool
    is_shared: bool
    models: list[MemberOut]

    @staticmethod
    def resolve_is_shared(alias: Alias) -> bool:
        return alias.owner_id is None

    @staticmethod
    def resolve_models(alias: Alias) -> list[Any]:
        return list(alias.members.select_related("model__provider"))


@router.get("", response=Page[AliasOut])
def list_aliases(request: HttpRequest, paging: Query[Paging]) -> Any:
    return paginate(Alias.objects.for_user(current_user(request)), paging)


@router.post("", response={201: AliasOut})
def create_alias(request: HttpRequest, body: AliasIn) -> Any:
    user = current_user(request)
    return 201, aliases.create_alias(actor=user, request=request, **body.model_dump())


@router.get("{alias_id}", response=AliasOut)
def get_alias(request: HttpRequest, alias_id: int) -> Alias:
    return owned_or_404(Alias.objects.for_user(current_user(request)), pk=alias_id)


@router.patch("{alias_id}", response=AliasOut)
def change_alias(request: HttpRequest, alias_id: int, body: AliasPatch) -> Alias:
    user = current_user(request)
    return aliases.change_alias(
        alias=owned_or_404(Alias.objects.editable_by(user), pk=alias_id),
        actor=user,
        request=request,
        **body.model_dump(exclude_unset=True, exclude_none=True),
    )


@router.delete("{alias_id}", response={204: None})
def delete_alias(request: HttpRequest, alias_id: int) -> Any:
    user = current_user(request)
    alias = owned_or_404(Alias.objects.editable_by(user), pk=alias_id)
    aliases.delete_alias(alias=alias, actor=user, request=request)
    return 204, None
