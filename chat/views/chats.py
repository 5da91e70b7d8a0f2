"""Chat pages. Actions work as plain forms; with htmx they answer 204 and the socket shows them."""

import uuid
from collections.abc import Callable, Sequence
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.access import current_user, owned_or_404
from chat import attachments, exporting, services
from chat.context import sees
from chat.forms import ChatSettingsForm, ComposerForm, ModelForm
from chat.models import Attachment, ChatSession, Message
from chat.showing import shown_turns
from chat.views import bases
from chat.views.acting import files_with, is_partial, refusals
from chat.views.folders import folder_chats
from chat.views.places import chat_of
from chat.views.side_list import folder_in, side_list
from chat.windows import window
from llmplatform.encryption import KeyUnreadable
from llmplatform.text import number_of
from providers.models import ProviderModel


def _problems(form: Form) -> list[str]:
    return [str(problem) for problems in form.errors.values() for problem in problems]


def _page(
    request: HttpRequest,
    chat: ChatSession | None,
    status: int = 200,
    files: Sequence[Attachment] = (),
    **forms: Form,
) -> HttpResponse:
    user = current_user(request)
    context = side_list(request) | {"chat": chat}
    if context["has_folders"] and chat is not None and chat.folder is not None:
        context |= folder_chats(chat.folder)
    if is_partial(request) and request.headers.get("HX-Target") == "sessions":
        return render(request, "chat/sessions.html", context)
    models = list(services.usable_models(user))
    context |= {"has_models": bool(models), "new_chat": chat is None, "files": files}
    context["seeing"] = [model.pk for model in models if sees(model)]
    context["limits"] = attachments.LIMITS
    context["composer"] = forms.get("composer") or ComposerForm(
        models=models, initial=_initial(request, chat, models)
    )
    context |= bases.listed(user, chat, bases.wanted_by(request, chat))
    context["settings_form"] = forms.get("settings") or ChatSettingsForm(
        owner=user, initial=_settings(chat), form_id="" if chat else "composer"
    )
    if chat is not None:
        context |= _turns(request, chat)
    return render(request, "chat/page.html", context, status=status)


def _initial(
    request: HttpRequest, chat: ChatSession | None, models: list[ProviderModel]
) -> dict[str, Any]:
    """The session's model; for a new one what the link asks for, what was used last, the first
    whose connection did not fail its last test."""
    usable = [model.pk for model in models]
    if chat is not None:
        return {"model": chat.model_id if chat.model_id in usable else ""}
    mine = ChatSession.objects.for_user(current_user(request)).order_by("-updated_at")
    wanted = number_of(request.GET.get("model", ""))
    last = mine.values_list("model_id", flat=True).first()
    working = [model.pk for model in models if not model.provider.test_error]
    candidates = [wanted, last, *working[:1], *usable[:1]]
    return {
        "model": next((each for each in candidates if each in usable), ""),
        "content": request.GET.get("prompt", "")[: services.CONTENT_MAX_CHARS],
    }


def _settings(chat: ChatSession | None) -> dict[str, Any]:
    return {"system_prompt": chat.system_prompt, **chat.parameters} if chat else {}


def _turns(request: HttpRequest, chat: ChatSession) -> dict[str, Any]:
    """The newest turns, those before `?before=`, or those around the message `?at=`."""
    at = request.GET.get("at", "")
    message = owned_or_404(chat.messages.all(), pk=at) if at else None
    before = number_of(request.GET.get("before", ""), 8)
    shown = window(chat, before=before, at=message.pk if message else None)
    return {
        "turns": shown_turns(shown.turns, chat.owner_id),
        "earlier": shown.start if shown.start > 0 else None,
        "is_end": shown.is_end,
        "is_answering": shown.is_answering,
        "unshown": shown.unshown,
    }


@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest) -> HttpResponse:
    """The list and an empty composer; sending it opens a session."""
    if request.method != "POST":
        return _page(request, None)
    user = current_user(request)
    files, problems = files_with(request)
    composer = ComposerForm(
        request.POST, models=services.usable_models(user), has_files=bool(files or problems)
    )
    settings_form = ChatSettingsForm(request.POST, form_id="composer", owner=user)
    if composer.is_valid() and settings_form.is_valid() and not problems:
        data = composer.cleaned_data | {"attachments": [file.pk for file in files]}
        try:
            answer = services.open_with(
                owner=user,
                request=request,
                folder=folder_in(request),
                **data,
                **settings_form.changes,
            )
            return redirect("chat:session", answer.session_id)
        except ValidationError as error:
            problems = list(error.messages)
        except KeyUnreadable:
            problems = [_("The provider's stored key cannot be read.")]
    if problems:
        composer.add_error(None, problems)
    return _page(request, None, 422, files, composer=composer, settings=settings_form)


def _message(request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID) -> Message:
    rows = Message.objects.filter(session__in=ChatSession.objects.for_user(current_user(request)))
    rows = rows.select_related("session__model__provider")
    return owned_or_404(rows, pk=message_id, session_id=session_id)


@require_safe
def session(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    return _page(request, chat_of(request, session_id))


def _refused(
    request: HttpRequest,
    chat: ChatSession,
    problems: list[str],
    files: Sequence[Attachment] = (),
) -> HttpResponse:
    """With htmx the reasons alone; otherwise the page, with what was written still there."""
    if is_partial(request):
        return render(request, "chat/problems.html", {"problems": problems}, status=422)
    models = services.usable_models(current_user(request))
    composer = ComposerForm(request.POST if "content" in request.POST else None, models=models)
    if composer.is_bound:
        composer.errors.clear()
        composer.add_error(None, problems)
        return _page(request, chat, 422, files, composer=composer)
    for problem in problems:
        messages.error(request, problem)
    return redirect("chat:session", chat.pk)


def _act(
    request: HttpRequest,
    chat: ChatSession,
    action: Callable[[], object],
    files: Sequence[Attachment] = (),
) -> HttpResponse:
    """Do it, and answer as the caller expects."""
    problems = refusals(action, busy=_("Wait for the running answer, or stop it first."))
    if problems:
        return _refused(request, chat, problems, files)
    return HttpResponse(status=204) if is_partial(request) else redirect("chat:session", chat.pk)


@require_POST
def ask(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat, user = chat_of(request, session_id), current_user(request)
    files, problems = files_with(request)
    # Of hundreds only the one that was chosen; whether the chat's own can be used, asking tells.
    chosen = number_of(request.POST.get("model", "")) or 0
    own = chat.model if chat.model_id == chosen else None
    models = [own] if own else services.usable_models(user).filter(pk=chosen)
    form = ComposerForm(request.POST, models=models, has_files=bool(files))
    if problems or not form.is_valid():
        return _refused(request, chat, problems or _problems(form), files)
    model, content = form.cleaned_data["model"], form.cleaned_data["content"]
    if chat.model_id != model.pk:
        services.change_session(session=chat, actor=user, request=request, model=model)
    ids = [file.pk for file in files]
    return _act(
        request,
        chat,
        lambda: services.ask(session=chat, actor=user, content=content, attachments=ids),
        files,
    )


@require_POST
def again(request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID) -> HttpResponse:
    answer = _message(request, session_id, message_id)
    if answer.is_question:
        raise Http404
    user = current_user(request)
    return _act(request, answer.session, lambda: services.ask_again(answer=answer, actor=user))


@require_POST
def go_on(request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID) -> HttpResponse:
    answer = _message(request, session_id, message_id)
    user = current_user(request)
    return _act(request, answer.session, lambda: services.go_on(answer=answer, actor=user))


@require_POST
def edit(request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID) -> HttpResponse:
    """A new version of a question; the old one stays beside it."""
    question = _message(request, session_id, message_id)
    if not question.is_question:
        raise Http404
    user, content = current_user(request), request.POST.get("content", "").replace("\x00", "")
    return _act(
        request,
        question.session,
        lambda: services.ask(
            session=question.session, actor=user, content=content, instead_of=question
        ),
    )


@require_POST
def show(request: HttpRequest, session_id: uuid.UUID, message_id: uuid.UUID) -> HttpResponse:
    message = _message(request, session_id, message_id)
    return _act(request, message.session, lambda: services.show_version(message=message))


@require_POST
def stop(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    return _act(request, chat, lambda: services.stop(session=chat))


@require_POST
def settings(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat = chat_of(request, session_id)
    form = ChatSettingsForm(request.POST, owner=current_user(request))
    if not form.is_valid():
        return _page(request, chat, 422, settings=form)
    user = current_user(request)
    services.change_session(session=chat, actor=user, request=request, **form.changes)
    messages.success(request, _("The settings hold from the next answer on."))
    return redirect("chat:session", chat.pk)


@require_POST
def choose_model(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat, user = chat_of(request, session_id), current_user(request)
    form = ModelForm(request.POST, models=services.usable_models(user))
    if not form.is_valid():
        return _refused(request, chat, _problems(form))
    model = form.cleaned_data["model"]
    return _act(
        request,
        chat,
        lambda: services.change_session(session=chat, actor=user, request=request, model=model),
    )


@require_safe
def export(request: HttpRequest, session_id: uuid.UUID) -> HttpResponse:
    chat, kind = chat_of(request, session_id), request.GET.get("format", "md")
    if kind not in exporting.FORMATS:
        raise Http404
    has_thoughts = request.GET.get("thoughts", "yes") != "no"
    text = exporting.exported(chat, kind, has_thoughts=has_thoughts)
    user = current_user(request)
    services.record_export(session=chat, actor=user, format=kind, request=request)
    return exporting.download(text, chat, kind)
