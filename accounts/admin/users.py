"""Console: people."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth import admin as _registers_groups  # noqa: F401
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _
from unfold.admin import StackedInline
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import action, display
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminPasswordWidget

from accounts import administration, services
from accounts.access import current_user, owned_or_404
from accounts.models import Role, User, UserLimits
from llmplatform.audited_admin import AuditedAdmin, Label, done_in_dialog, shown

# Rights follow the role alone; the page of groups, which Django registers, would promise more.
admin.site.unregister(Group)

ROLE_COLOURS = {Role.ADMIN: "primary", Role.USER: "default"}
PASSWORD_HELP = _("At least 12 characters; a few words are easier than symbols.")


def password_field() -> forms.CharField:
    widget = UnfoldAdminPasswordWidget(attrs={"autocomplete": "new-password"})
    return forms.CharField(
        label=_("Password"), max_length=4096, strip=False, widget=widget, help_text=PASSWORD_HELP
    )


class NewUserForm(forms.ModelForm[User]):
    password = password_field()

    class Meta:
        model = User
        fields = ("email", "role")

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        services.check_new_password(password, User(email=self.cleaned_data.get("email", "")))
        return password


class UserForm(forms.ModelForm[User]):
    """`actor`, whom the admin sets, may not lock anybody out for good."""

    actor: User

    class Meta:
        model = User
        fields = ("email", "role", "is_active", "language", "theme")

    def clean(self) -> dict[str, Any] | None:
        cleaned = super().clean() or {}
        was = User.objects.get(pk=self.instance.pk)
        for name in ("role", "is_active"):
            is_loss = was.is_admin and cleaned.get(name) in (Role.USER, False)
            if is_loss and name in self.changed_data:
                try:
                    with transaction.atomic():
                        administration.check_can_step_down(was, self.actor)
                except ValidationError as error:
                    self.add_error(name, error)
        return cleaned


class PasswordResetForm(BaseDialogForm):  # type: ignore[misc]
    password = password_field()

    def clean_password(self) -> str:
        password: str = self.cleaned_data["password"]
        user = User.objects.filter(pk=self.object_id).first()
        services.check_new_password(password, user)
        return password


class UserLimitsInline(StackedInline):  # type: ignore[misc]
    """Over all keys and chats of the person; the stricter of these and a key's counts."""

    model = UserLimits
    fields = (("rpm", "tpm", "max_parallel"), ("budget_day_usd", "budget_month_usd", "budget_usd"))
    can_delete = False
    hide_title = True


@admin.register(User)
class UserAdmin(AuditedAdmin):
    audit_noun = "user"
    recorded_by_service = frozenset({"role", "is_active", "password"})
    list_display = ("email", "role_label", "is_active", "language", "date_joined", "last_login")
    list_filter = ("role", "is_active", ("date_joined", RangeDateTimeFilter))
    list_filter_submit = True
    search_fields = ("email",)
    readonly_fields = ("date_joined", "last_login")
    form = UserForm
    inlines = (UserLimitsInline,)
    actions = ("activate", "deactivate", "make_admin", "make_user")
    actions_detail = ("reset_password",)

    @display(description=_("role"), ordering="role", label=ROLE_COLOURS)
    def role_label(self, user: User) -> Label:
        return Label(user.role, user.get_role_display())

    def get_form(
        self, request: HttpRequest, obj: User | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        if obj is None:
            return super().get_form(request, obj, change, form=NewUserForm, **kwargs)
        form = super().get_form(request, obj, change, **kwargs)
        form.actor = current_user(request)
        return form

    def get_inlines(self, request: HttpRequest, obj: User | None) -> Any:
        return self.inlines if obj is not None else ()

    def get_fieldsets(self, request: HttpRequest, obj: User | None = None) -> Any:
        if obj is None:
            return [(None, {"fields": ("email", "role", "password")})]
        names = ("email", "role", "is_active", "language", "theme", "date_joined", "last_login")
        return [(None, {"fields": names})]

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Accounts are deactivated: what they made and did stays attributed."""
        return False

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        actor, given = current_user(request), form.cleaned_data
        if not change:
            created = administration.create_user(actor=actor, request=request, **given)
            obj.pk = created.pk
            return
        before = User.objects.get(pk=obj.pk)
        obj.role, obj.is_active = before.role, before.is_active
        super().save_model(request, obj, form, change)
        administration.change_role(user=obj, role=given["role"], actor=actor, request=request)
        if "is_active" in form.changed_data:
            verb = administration.activate if given["is_active"] else administration.deactivate
            verb(user=obj, actor=actor, request=request)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        if change:  # a new account is recorded by its service
            super().save_related(request, form, formsets, change)

    def save_formset(self, request: HttpRequest, form: Any, formset: Any, change: bool) -> None:
        super().save_formset(request, form, formset, change)
        for each in formset.forms:
            if each.has_changed():
                before = shown({name: each.initial.get(name) for name in each.changed_data})
                after = shown({name: each.cleaned_data.get(name) for name in each.changed_data})
                self._recorder.record(request, "user.limits", form.instance, before, after)
                services.announce_keys()

    @admin.action(description=_("Activate or approve"))
    def activate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        actor = current_user(request)

        def act(user: User) -> None:
            administration.activate(user=user, actor=actor, request=request)

        done = self.attempt(request, users, act)
        text = ngettext("%(count)d account is active.", "%(count)d accounts are active.", done)
        self.message_user(request, text % {"count": done}, messages.SUCCESS)

    @admin.action(description=_("Deactivate and sign out"))
    def deactivate(self, request: HttpRequest, users: QuerySet[User]) -> None:
        actor = current_user(request)

        def act(user: User) -> None:
            administration.deactivate(user=user, actor=actor, request=request)

        done = self.attempt(request, users, act)
        if done:
            text = ngettext(
                "%(count)d account is deactivated.", "%(count)d accounts are deactivated.", done
            )
            self.message_user(request, text % {"count": done}, messages.SUCCESS)

    def _give_role(self, request: HttpRequest, users: QuerySet[User], role: str) -> None:
        actor = current_user(request)

        def act(user: User) -> None:
            administration.change_role(user=user, role=role, actor=actor, request=request)

        if self.attempt(request, users, act):
            self.message_user(request, gettext("The roles are changed."), messages.SUCCESS)

    @admin.action(description=_("Make administrators"))
    def make_admin(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._give_role(request, users, Role.ADMIN)

    @admin.action(description=_("Make ordinary users"))
    def make_user(self, request: HttpRequest, users: QuerySet[User]) -> None:
        self._give_role(request, users, Role.USER)

    @action(
        description=_("Reset the password"),
        icon="lock_reset",
        dialog={
            "title": _("Reset the password"),
            "description": _("Every session of this account ends. Tell the person by a safe way."),
            "form_class": PasswordResetForm,
            "form_submit_text": _("Set the password"),
        },
    )
    def reset_password(
        self, request: HttpRequest, form: PasswordResetForm, object_id: str
    ) -> HttpResponse:
        user = owned_or_404(User.objects.all(), pk=object_id)
        administration.reset_password(
            user=user,
            password=form.cleaned_data["password"],
            actor=current_user(request),
            request=request,
        )
        self.message_user(request, gettext("The password is set."), messages.SUCCESS)
        return done_in_dialog(request, reverse("admin:accounts_user_change", args=[user.pk]))
