"""A model by its name, of which trainings make one version after the other."""

from typing import ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import Max
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import User
from providers.models import Alias, ProviderModel


class ModelFamilyQuerySet(models.QuerySet["ModelFamily"]):
    def for_user(self, user: User) -> Self:
        return self.filter(owner=user)

    def for_name(self, owner: User, name: str) -> "ModelFamily":
        """The family that a version of this name belongs to: identity-2, the copy of the job
        identity, is another version of identity where that is a family already."""
        stem, _dash, number = name.rpartition("-")
        rows = self.filter(owner=owner)
        if stem and number.isdecimal():
            found = rows.filter(name=stem).first()
            if found is not None:
                return found
        return rows.get_or_create(owner=owner, name=name)[0]

    def next_number(self, pk: int) -> int:
        """In the transaction that uses it: whoever asks next waits until it has ended."""
        self.select_for_update().filter(pk=pk).first()
        rows = self.filter(pk=pk).aggregate(last=Max("versions__number"))
        return int(rows["last"] or 0) + 1


class ModelFamily(models.Model):
    """`route` answers as whichever version has the label `production`; `alias` is its short name
    at the gateway. Neither is there before a version has had that label."""

    owner = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="model_families"
    )
    name = models.CharField(_("name"), max_length=100)
    route = models.ForeignKey(
        ProviderModel, models.SET_NULL, null=True, editable=False, related_name="+"
    )
    alias = models.ForeignKey(Alias, models.SET_NULL, null=True, editable=False, related_name="+")
    # Where the route ends now.
    served_by = models.ForeignKey(
        "training.Deployment", models.SET_NULL, null=True, editable=False, related_name="+"
    )
    created_at = models.DateTimeField(_("created"), default=timezone.now, editable=False)

    objects = ModelFamilyQuerySet.as_manager()

    class Meta:
        verbose_name = _("model")
        verbose_name_plural = _("models")
        ordering = ["name", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="one_family_per_name")
        ]

    def __str__(self) -> str:
        return self.name
