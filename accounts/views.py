"""Account pages: sign in, register, profile, personal keys."""

from django.contrib import messages
from django.contrib.auth import login, logout, update_session_auth_hash
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, override
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from accounts import services
from accounts.access import current_user, login_not_required, owned_or_404
from accounts.forms import (
    KeyForm,
    PasswordForm,
    PreferencesForm,
    RegistrationForm,
    SignInForm,
)
from accounts.middleware import set_language_cookie
from accounts.models import ApiKey, PlatformSettings, RegistrationMode
from accounts.throttle import TooManyAttempts

UNPROCESSABLE = 422
TOO_MANY = gettext_lazy("Too many attempts. Wait a few minutes, then try again.")


def _show(request: HttpRequest, template: str, form: object, **context: object) -> HttpResponse:
    is_bad = isinstance(form, Form | KeyForm) and form.is_bound
    status = UNPROCESSABLE if is_bad else 200
    return render(request, template, {"form": form, **context}, status=status)


def _throttled(response: HttpResponse, error: TooManyAttempts) -> HttpResponse:
    response.status_code = 429
    response.headers["Retry-After"] = str(error.retry_after_s)
    return response


def _next(request: HttpRequest) -> str:
    target = request.POST.get("next") or request.GET.get("next") or ""
    hosts = {request.get_host()}
    is_safe = url_has_allowed_host_and_scheme(target, hosts, require_https=request.is_secure())
    return target if is_safe else "home"


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    form = SignInForm(request.POST or None)
    is_open = PlatformSettings.current().registration != RegistrationMode.CLOSED
    if not form.is_valid():
        return _show(request, "accounts/login.html", form, is_open=is_open)
    try:
        user = services.check_password(request=request, **form.cleaned_data)
    except TooManyAttempts as error:
        form.add_error(None, TOO_MANY)
        return _throttled(_show(request, "accounts/login.html", form, is_open=is_open), error)
    if user is None:
        form.add_error(None, _("The e-mail address or password is wrong."))
        return _show(request, "accounts/login.html", form, is_open=is_open)
    login(request, user)
    services.audit(actor=user, action="session.start", target=user, request=request)
    response = redirect(_next(request))
    if user.language:
        set_language_cookie(response, user.language)
    return response


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    services.audit(actor=user, action="session.end", target=user, request=request)
    logout(request)
    response = redirect("accounts:login")
    response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


@login_not_required
@sensitive_post_parameters("password")
@require_http_methods(["GET", "HEAD", "POST"])
def register(request: HttpRequest) -> HttpResponse:
    if request.user.is_authenticated:
        return redirect("home")
    form = RegistrationForm(request.POST or None)
    mode = PlatformSettings.current().registration
    if not form.is_valid() or mode == RegistrationMode.CLOSED:
        return _show(request, "accounts/register.html", form, mode=mode)
    try:
        user = services.register(request=request, **form.cleaned_data)
    except TooManyAttempts as error:
        form.add_error(None, TOO_MANY)
        return _throttled(_show(request, "accounts/register.html", form, mode=mode), error)
    except ValidationError as error:
        form.add_error(None, error)
        return _show(request, "accounts/register.html", form, mode=mode)
    if not user.is_active:
        return render(request, "accounts/awaiting.html")
    login(request, user)
    return redirect("home")


@require_http_methods(["GET", "HEAD", "POST"])
def profile(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    initial = {"language": user.language or request.LANGUAGE_CODE, "theme": user.theme}
    form = PreferencesForm(request.POST or None, initial=initial)
    if not form.is_valid():
        return _show(request, "accounts/profile.html", form, password_form=PasswordForm())
    user.language, user.theme = form.cleaned_data["language"], form.cleaned_data["theme"]
    user.save(update_fields=["language", "theme"])
    with override(user.language):
        messages.success(request, _("Your preferences are saved."))
    response = redirect("accounts:profile")
    set_language_cookie(response, user.language)
    return response


@sensitive_post_parameters("old_password", "new_password")
@require_POST
def change_password(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = PasswordForm(request.POST)
    preferences = PreferencesForm(initial={"language": user.language, "theme": user.theme})
    context = {"form": preferences, "password_form": form}
    if form.is_valid():
        try:
            services.change_password(
                user=user,
                request=request,
                keep_session_key=request.session.session_key,
                **form.cleaned_data,
            )
        except TooManyAttempts as error:
            form.add_error(None, TOO_MANY)
            return _throttled(render(request, "accounts/profile.html", context), error)
        except ValidationError as error:
            form.add_error(None, error)
    if not form.is_valid():
        return render(request, "accounts/profile.html", context, status=UNPROCESSABLE)
    update_session_auth_hash(request, user)
    messages.success(request, _("Your password is changed. Every other session has ended."))
    return redirect("accounts:profile")


@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: HttpRequest) -> HttpResponse:
    """List and create. A new key is shown in the answer to its form, once, and never again."""
    user = current_user(request)
    form = KeyForm(request.POST or None)
    text = ""
    if form.is_valid():
        try:
            _key, text = services.create_key(user=user, request=request, **form.values())
            form = KeyForm()
        except ValidationError as error:
            form.add_error(None, error)
    rows = ApiKey.objects.for_user(user).filter(revoked_at=None)
    response = _show(request, "accounts/keys.html", form, keys=rows, new_key=text)
    response.headers["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def edit_key(request: HttpRequest, key_id: int) -> HttpResponse:
    user = current_user(request)
    key = owned_or_404(ApiKey.objects.for_user(user).filter(revoked_at=None), pk=key_id)
    form = KeyForm(request.POST or None, instance=key)
    if form.is_valid():
        key.refresh_from_db()  # the form has put its values on it
        try:
            services.change_key(key=key, actor=user, request=request, **form.values())
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("The key “%(name)s” is changed.") % {"name": key.name})
            return redirect("accounts:key-list")
    return _show(request, "accounts/key.html", form, key=key)


@require_POST
def revoke_key(request: HttpRequest, key_id: int) -> HttpResponse:
    user = current_user(request)
    key = owned_or_404(ApiKey.objects.for_user(user).filter(revoked_at=None), pk=key_id)
    services.revoke_key(key=key, actor=user, request=request)
    messages.success(request, _("The key “%(name)s” is revoked.") % {"name": key.name})
    return redirect("accounts:key-list")
