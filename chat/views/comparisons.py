"""Comparison pages. Actions work as plain forms; with htmx they answer 204 and the socket shows
them."""

import uuid
from collections.abc import Callable, Sequence

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from accounts.access import current_user, owned_or_404
from chat import attachments, comparing, comparison_exporting, exporting, voting
from chat.columns import Side, side_of
from chat.comparison_forms import AboutForm, AskForm, VoteForm
from chat.comparison_showing import Shown, columns_of
from chat.differing import compared
from chat.errors import StillAnswering
from chat.models import Attachment, Comparison
from chat.views.acting import files_with, is_partial, refusals
from llmplatform.text import number_of

UNPROCESSABLE = 422


def _own(request: HttpRequest, comparison_id: uuid.UUID) -> Comparison:
    return owned_or_404(Comparison.objects.for_user(current_user(request)), pk=comparison_id)


def _readable(request: HttpRequest, comparison_id: uuid.UUID) -> Comparison:
    rows = Comparison.objects.readable_by(current_user(request)).select_related("owner")
    return owned_or_404(rows, pk=comparison_id)


def _side(request: HttpRequest, comparison: Comparison) -> Side:
    side = side_of(comparison, number_of(request.POST.get("column", ""), 2) or 0)
    if side is None:
        raise Http404
    return side


@require_safe
def detail(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    return _page(request, _readable(request, comparison_id))


def _page(
    request: HttpRequest,
    comparison: Comparison,
    status: int = 200,
    composer: AskForm | None = None,
    about_form: AboutForm | None = None,
    files: Sequence[Attachment] = (),
) -> HttpResponse:
    shown = Shown(comparison, current_user(request))
    about_initial = {
        "title": comparison.title,
        "tags": ", ".join(comparison.tags),
        "is_shared": comparison.is_shared,
    }
    context = {
        "comparison": comparison,
        "shown": shown,
        "columns": columns_of(shown),
        "revisions": ",".join(str(side.column.session.revision) for side in shown.sides),
        "composer": composer or AskForm(),
        "about_form": about_form or AboutForm(initial=about_initial),
        "files": files,
        "limits": attachments.LIMITS,
    }
    return render(request, "chat/comparison/detail.html", context, status=status)


def _refused(
    request: HttpRequest,
    comparison: Comparison,
    problems: list[str],
    files: Sequence[Attachment] = (),
) -> HttpResponse:
    """With htmx the reasons alone; otherwise the page, with what was written still there."""
    if is_partial(request):
        found = {"problems": problems}
        return render(request, "chat/problems.html", found, status=UNPROCESSABLE)
    if "content" in request.POST:
        composer = AskForm(request.POST)
        composer.errors.clear()
        composer.add_error(None, problems)
        return _page(request, comparison, UNPROCESSABLE, composer=composer, files=files)
    for problem in problems:
        messages.error(request, problem)
    return redirect("compare:detail", comparison.pk)


def _act(
    request: HttpRequest,
    comparison: Comparison,
    action: Callable[[], object],
    files: Sequence[Attachment] = (),
) -> HttpResponse:
    problems = refusals(action, busy=_("Wait for the running answers, or stop them first."))
    if problems:
        return _refused(request, comparison, problems, files)
    if is_partial(request):
        return HttpResponse(status=204)
    return redirect("compare:detail", comparison.pk)


@require_POST
def ask(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, user = _own(request, comparison_id), current_user(request)
    text = request.POST.get("content", "").replace("\x00", "")
    files, problems = files_with(request)
    if problems:
        return _refused(request, comparison, problems, files)
    ids = [file.pk for file in files]
    return _act(
        request,
        comparison,
        lambda: comparing.ask_all(comparison=comparison, actor=user, content=text, attachments=ids),
        files,
    )


@require_POST
def stop(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison = _own(request, comparison_id)
    return _act(request, comparison, lambda: comparing.stop(comparison=comparison))


@require_POST
def again(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, user = _own(request, comparison_id), current_user(request)
    side = _side(request, comparison)
    return _act(request, comparison, lambda: comparing.ask_again(side=side, actor=user))


@require_POST
def go_on(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, user = _own(request, comparison_id), current_user(request)
    side = _side(request, comparison)
    return _act(request, comparison, lambda: comparing.go_on(side=side, actor=user))


@require_POST
def vote(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, user = _own(request, comparison_id), current_user(request)
    form = VoteForm(request.POST)
    if not form.is_valid():
        problem = _("Choose the best answer, a tie, or that all are bad.")
        return _refused(request, comparison, [problem])
    return _act(
        request,
        comparison,
        lambda: voting.vote(comparison=comparison, actor=user, request=request, **form.vote),
    )


@require_POST
def reveal(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, user = _own(request, comparison_id), current_user(request)
    return _act(
        request,
        comparison,
        lambda: voting.reveal(comparison=comparison, actor=user, request=request),
    )


@require_POST
def chat_with(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    """The conversation with one column goes on as a chat of its own."""
    comparison, user = _own(request, comparison_id), current_user(request)
    side = _side(request, comparison)
    try:
        chat = comparing.chat_with(side=side, actor=user, request=request)
    except ValidationError as error:
        return _refused(request, comparison, list(error.messages))
    except StillAnswering:
        problem = _("Wait for the running answers, or stop them first.")
        return _refused(request, comparison, [problem])
    address = reverse("chat:session", args=[chat.pk])
    if is_partial(request):
        return HttpResponse(status=200, headers={"HX-Redirect": address})
    return redirect(address)


@require_POST
def about(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    """Title, tags and who may read it."""
    comparison, form = _own(request, comparison_id), AboutForm(request.POST)
    if form.is_valid():
        try:
            comparing.change(
                comparison=comparison,
                actor=current_user(request),
                request=request,
                **form.cleaned_data,
            )
        except ValidationError as error:
            form.add_error("tags", list(error.messages))
        else:
            messages.success(request, _("The changes are saved."))
            return redirect("compare:detail", comparison.pk)
    kept = _own(request, comparison_id)
    return _page(request, kept, UNPROCESSABLE, about_form=form)


@require_POST
def delete(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison = _own(request, comparison_id)
    comparing.delete(comparison=comparison, actor=current_user(request), request=request)
    messages.success(request, _("The comparison is deleted."))
    return redirect("compare:index")


@require_safe
def difference(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    """`?left=1&right=2&round=1`: two answers, word by word; without a round the last."""
    comparison = _readable(request, comparison_id)
    shown = Shown(comparison, current_user(request))
    wanted = [number_of(request.GET.get(name, ""), 2) for name in ("left", "right", "round")]
    sides = {side.column.number: side for side in shown.sides}
    left, right = sides.get(wanted[0] or 1), sides.get(wanted[1] or 2)
    if left is None or right is None:
        raise Http404
    number = wanted[2] or min(left.rounds, right.rounds)
    try:
        found = compared(left, right, number)
    except ValidationError as error:
        raise Http404 from error
    context = {
        "comparison": comparison,
        "shown": shown,
        "left": left,
        "right": right,
        "number": number,
        "difference": found,
        "rounds": range(1, shown.rounds + 1),
    }
    return render(request, "chat/comparison/difference.html", context)


@require_safe
def export(request: HttpRequest, comparison_id: uuid.UUID) -> HttpResponse:
    comparison, kind = _readable(request, comparison_id), request.GET.get("format", "md")
    if kind not in exporting.FORMATS:
        raise Http404
    text = comparison_exporting.exported(comparison, kind)
    user = current_user(request)
    comparing.record_export(comparison=comparison, actor=user, format=kind, request=request)
    return exporting.download(text, comparison, kind)
