"""What a person says about answers: beside each of them, and all of it on one page."""

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from accounts.models import User
from chat import feedback, origins, reviewing, withdrawing
from chat.feedback_forms import AnswerForm, FilterForm
from chat.models import ChatSession, Feedback, Message
from chat.threads import Tree

ROWS_PER_PAGE = 30
TEXTS = ("reason", "note", "correction")


def model_names(rows: Any) -> list[str]:
    """Whose answers there are among these rows."""
    names = rows.exclude(model_label="").order_by("model_label")
    return list(names.values_list("model_label", flat=True).distinct()[:200])


@require_safe
def mine(request: HttpRequest) -> HttpResponse:
    user = current_user(request)
    rows = Feedback.objects.for_user(user)
    form = FilterForm(request.GET, models=model_names(rows), is_own=True)
    shown = form.filters.apply(rows).select_related("message__parent", "vote")
    context = {
        "page": Paginator(shown, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "is_filtered": bool(form.filters.as_json()),
        "consent": feedback.consent_of(user),
        "trail": withdrawing.trail_of(withdrawing.given_by(user)),
        "may_review": reviewing.may_review(user),
    }
    return render(request, "chat/feedback/mine.html", context)


@require_POST
def consent(request: HttpRequest) -> HttpResponse:
    """`given`: yes or no. Taking a yes back leads to what was trained on it."""
    user, is_given = current_user(request), request.POST.get("given") == "yes"
    before = feedback.consent_of(user)
    if before is not None and before.is_given and not is_given:
        withdrawing.withdraw(user=user, request=request)
        messages.success(
            request, _("Your consent is withdrawn. Your answers leave every later version.")
        )
        return redirect("feedback:mine")
    feedback.give_consent(user=user, is_given=is_given, request=request)
    if "HX-Request" in request.headers:
        shown = {"consent": feedback.consent_of(user), "is_answered": True}
        return render(request, "chat/feedback/ask_consent.html", shown)
    told = _("Thank you: reviewers may use the answers that you rate.") if is_given else ""
    messages.success(request, told or _("Your answers are not used for training."))
    return redirect("feedback:mine")


def _answer_of(user: User, message_id: uuid.UUID) -> Message:
    rows = Message.objects.filter(session__in=ChatSession.objects.for_user(user))
    return owned_or_404(rows.select_related("session"), pk=message_id)


@require_http_methods(["GET", "HEAD", "POST"])
def answer(request: HttpRequest, message_id: uuid.UUID) -> HttpResponse:
    """A rating, a reason, a better answer. POST has any of `verdict`, `reason`, `note` and
    `correction`; with htmx it answers with the row under the message."""
    user = current_user(request)
    message = _answer_of(user, message_id)
    given = Feedback.objects.filter(message=message).first()
    if request.method == "POST":
        return _give(request, user, message, given)
    return _show(request, message, given)


def _give(
    request: HttpRequest, user: User, message: Message, before: Feedback | None
) -> HttpResponse:
    sent = {name: request.POST[name] for name in ("verdict", *TEXTS) if name in request.POST}
    verdict = sent.get("verdict", before.verdict if before else "")
    has_form = "correction" in sent
    form = AnswerForm(request.POST, verdict=verdict) if has_form else None
    try:
        if form is None or form.is_valid():
            given = feedback.give(message=message, user=user, request=request, **sent)
            return _done(request, user, message, given, is_saved=has_form)
    except ValidationError as error:
        form = form or AnswerForm(request.POST, verdict=verdict)
        form.add_error(None, list(error.messages))
    return _show(request, message, before, form, status=422)


def _done(
    request: HttpRequest,
    user: User,
    message: Message,
    given: Feedback | None,
    *,
    is_saved: bool,
) -> HttpResponse:
    if "HX-Request" not in request.headers:
        messages.success(
            request, _("Your feedback is saved.") if given else _("Your feedback is taken away.")
        )
        return redirect("feedback:answer", message.pk)
    context = _context(message, given, None)
    context["is_open"] = given is not None and not is_saved
    context |= {"is_saved": is_saved, "ask_consent": given and not feedback.consent_of(user)}
    return render(request, "chat/feedback/row.html", context)


def _context(message: Message, given: Feedback | None, form: AnswerForm | None) -> dict[str, Any]:
    initial = {"correction": message.content}
    if given is not None:
        initial = {"reason": given.reason, "note": given.note}
        initial["correction"] = given.correction or message.content
    form = form or AnswerForm(initial=initial, verdict=given.verdict if given else "")
    form.auto_id = f"id_{message.pk.hex[:8]}_%s"
    return {"message": message, "feedback": given, "form": form}


def _show(
    request: HttpRequest,
    message: Message,
    given: Feedback | None,
    form: AnswerForm | None = None,
    status: int = 200,
) -> HttpResponse:
    context = _context(message, given, form)
    if "HX-Request" in request.headers:
        context["is_open"] = True
        return render(request, "chat/feedback/row.html", context, status=status)
    context["turns"] = Tree.of(message.session).path_to(message.parent_id)
    context["trail"] = origins.uses_of(message)
    return render(request, "chat/feedback/answer.html", context, status=status)
