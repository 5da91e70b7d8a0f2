"""The inbox of reviewers, one example, and who may review."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import admin_required, current_user, owned_or_404
from accounts.models import User
from chat import anonymising, reviewing
from chat.examples import ROLES, Example, example_of
from chat.feedback_forms import AnonymiseForm, ReviewerForm, StateForm, TagsForm
from chat.models import Feedback, FeedbackTag, Reviewer, ReviewState
from chat.views.feedback import model_names
from llmplatform.text import number_of

ROWS_PER_PAGE = 30
TAGS_SHOWN = 60


def _reviewing_user(request: HttpRequest) -> User:
    user = current_user(request)
    if not reviewing.may_review(user):
        raise PermissionDenied
    return user


@require_safe
def inbox(request: HttpRequest) -> HttpResponse:
    _reviewing_user(request)
    rows = reviewing.inbox()
    form = StateForm({"state": ReviewState.PENDING, **request.GET.dict()}, models=model_names(rows))
    shown = form.filters.apply(rows)
    if form.wanted_state != "all":
        shown = shown.filter(state=form.wanted_state)
    shown = shown.select_related("message__parent", "user").prefetch_related("tag_rows")
    context = {
        "page": Paginator(shown, ROWS_PER_PAGE).get_page(request.GET.get("page")),
        "form": form,
        "state": form.wanted_state,
        "is_filtered": bool(form.filters.as_json()),
        "tags": FeedbackTag.objects.values_list("name", flat=True)
        .order_by("name")
        .distinct()[:TAGS_SHOWN],
        "may_review": True,
    }
    return render(request, "chat/feedback/inbox.html", context)


@require_POST
def decide(request: HttpRequest) -> HttpResponse:
    """`decision` (accept or reject) over the rows that are ticked (`chosen`)."""
    user = _reviewing_user(request)
    chosen = [pk for pk in map(number_of, request.POST.getlist("chosen")[:200]) if pk is not None]
    decision = request.POST.get("decision", "")
    back = redirect("feedback:inbox")
    back["Location"] += f"?{query}" if (query := request.META.get("QUERY_STRING", "")) else ""
    if decision not in ("accept", "reject") or not chosen:
        messages.error(request, _("Tick the answers first."))
        return back
    rows = reviewing.inbox().filter(pk__in=chosen)
    done, refused = reviewing.decide_all(rows=rows, decision=decision, actor=user, request=request)
    if done:
        text = (
            ngettext("%(count)d answer is accepted.", "%(count)d answers are accepted.", done)
            if decision == "accept"
            else ngettext("%(count)d answer is rejected.", "%(count)d answers are rejected.", done)
        )
        messages.success(request, text % {"count": done})
    for feedback, reason in refused[:3]:
        messages.error(request, f"#{feedback.pk}: {reason}")
    return back


@require_http_methods(["GET", "HEAD", "POST"])
def one(request: HttpRequest, feedback_id: int) -> HttpResponse:
    """One example. Its person is sent to the answer; a reviewer reads, changes and decides."""
    user = current_user(request)
    rows = reviewing.inbox().select_related("message__session", "user__training_consent")
    feedback = rows.filter(pk=feedback_id).first() if reviewing.may_review(user) else None
    if feedback is None:
        own = owned_or_404(Feedback.objects.for_user(user).select_related("vote"), pk=feedback_id)
        if own.vote is not None:
            return redirect("compare:detail", own.vote.comparison_id)
        return redirect("feedback:answer", own.message_id)
    if request.method != "POST":
        return _show(request, feedback)
    if request.POST.get("decision") == "anonymise":
        return _anonymised(request, feedback)
    return _decided(request, user, feedback)


def _sent_example(request: HttpRequest) -> Example:
    roles, texts = request.POST.getlist("role"), request.POST.getlist("content")
    turns = [
        {"role": role if role in ROLES else "user", "content": text}
        for role, text in zip(roles, texts, strict=False)
    ]
    answers = {name: request.POST.get(name, "") for name in ("chosen", "rejected")}
    return {"messages": turns, **answers}


def _decided(request: HttpRequest, user: User, feedback: Feedback) -> HttpResponse:
    decision, tags = request.POST.get("decision", ""), TagsForm(request.POST)
    following = _next_of(feedback)
    try:
        if tags.is_valid() and "tags" in request.POST:
            names = tags.cleaned_data["tags"]
            reviewing.set_tags(feedback=feedback, names=names, actor=user, request=request)
        if decision == "accept":
            example = _sent_example(request)
            reviewing.accept(feedback=feedback, actor=user, example=example, request=request)
            messages.success(request, _("The example is accepted."))
        elif decision == "reject":
            reviewing.reject(feedback=feedback, actor=user, request=request)
            messages.success(request, _("The example is rejected."))
        elif decision == "reopen":
            reviewing.reopen(feedback=feedback, actor=user, request=request)
            return redirect("feedback:one", feedback.pk)
        else:
            messages.success(request, _("The tags are saved."))
            return redirect("feedback:one", feedback.pk)
    except ValidationError as error:
        problems = list(error.messages)
        return _show(request, feedback, _sent_example(request), problems=problems, status=422)
    return redirect("feedback:one", following) if following else redirect("feedback:inbox")


def _next_of(feedback: Feedback) -> int | None:
    """What waits next, the older first: the list is read from the top."""
    rows = reviewing.inbox().filter(state=ReviewState.PENDING, pk__lt=feedback.pk)
    return rows.values_list("pk", flat=True).first()


def _anonymised(request: HttpRequest, feedback: Feedback) -> HttpResponse:
    """The texts as they would be; nothing is saved."""
    form, example = AnonymiseForm(request.POST), _sent_example(request)
    if not form.is_valid():
        return _show(request, feedback, example, anonymise_form=form, status=422)
    try:
        changes = list(anonymising.changes(form.anonymiser, example))
        after = form.anonymiser.example(example)
    except ValidationError as error:
        form.add_error("patterns", error.messages)
        return _show(request, feedback, example, anonymise_form=form, status=422)
    return _show(request, feedback, after, anonymise_form=form, changes=changes)


def _show(
    request: HttpRequest,
    feedback: Feedback,
    example: Example | None = None,
    status: int = 200,
    **context: Any,
) -> HttpResponse:
    if example is None:
        example = feedback.example or example_of(feedback)
    context.setdefault("anonymise_form", AnonymiseForm(initial={"emails": True, "phones": True}))
    context |= {
        "feedback": feedback,
        "example": example,
        "next": _next_of(feedback),
        "tags_form": TagsForm(initial={"tags": ", ".join(feedback.tags)}),
        "may_review": True,
    }
    return render(request, "chat/feedback/one.html", context, status=status)


@admin_required
@require_http_methods(["GET", "HEAD", "POST"])
def reviewers(request: HttpRequest) -> HttpResponse:
    form = ReviewerForm(request.POST or None)
    if form.is_valid():
        email = form.cleaned_data["email"]
        try:
            reviewing.name_reviewer(email=email, actor=current_user(request), request=request)
        except ValidationError as error:
            form.add_error(None, error)
        else:
            messages.success(request, _("%(email)s may review now.") % {"email": email})
            return redirect("feedback:reviewers")
    context = {
        "rows": Reviewer.objects.select_related("user", "named_by"),
        "form": form,
        "may_review": True,
    }
    status = 422 if form.errors else 200
    return render(request, "chat/feedback/reviewers.html", context, status=status)


@admin_required
@require_POST
def unname(request: HttpRequest, user_id: int) -> HttpResponse:
    reviewer = owned_or_404(Reviewer.objects.select_related("user"), user=user_id)
    reviewing.unname_reviewer(reviewer=reviewer, actor=current_user(request), request=request)
    text = _("%(email)s may no longer review.") % {"email": reviewer.user.email}
    messages.success(request, text)
    return redirect("feedback:reviewers")
