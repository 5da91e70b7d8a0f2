"""Base models: register one."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from accounts.access import current_user
from training import services
from training.forms import BaseModelForm


@require_http_methods(["GET", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    form = BaseModelForm(request.POST or None, may_share=user.is_admin)
    if form.is_valid():
        try:
            services.register_base_model(actor=user, request=request, **form.cleaned_data)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            name = form.cleaned_data["name"]
            messages.success(request, _("“%(name)s” is registered.") % {"name": name})
            return redirect("models:list")
    status = 422 if form.errors else 200
    return render(request, "training/base_model_form.html", {"form": form}, status=status)
