"""From feedback to what a model can learn: a conversation, a better answer and a worse one."""

from collections.abc import Iterator, Mapping
from typing import Any

from django.db.models import Q

from chat.attachments import beside
from chat.models import Feedback, FeedbackKind, Message, MessageRole, Purpose, Vote
from chat.threads import Tree
from training.services import problem_with_example

ROLES = ("system", "user", "assistant")
Example = dict[str, Any]


def example_of(feedback: Feedback) -> Example:
    """As it stands in the chat: {"messages", "chosen", "rejected"}; see models.Feedback."""
    message = feedback.message
    if message is None:
        return {"messages": [], "chosen": "", "rejected": ""}
    path = Tree.of(message.session).path_to(message.parent_id)
    # Of a picture the name, for a reviewer to decide.
    turns = [
        {"role": str(each.role), "content": beside(each.content, each.attachments.all())[0]}
        for each in path
    ]
    system = message.session.system_prompt.strip()
    if system:
        turns.insert(0, {"role": "system", "content": system})
    chosen, rejected = _answers(feedback, message)
    return {"messages": turns, "chosen": chosen, "rejected": rejected}


def _answers(feedback: Feedback, message: Message) -> tuple[str, str]:
    """The better answer and the worse one; two versions that were rated differently are a pair."""
    if feedback.kind == FeedbackKind.CORRECTION:
        return feedback.correction, message.content
    if feedback.vote is not None:
        return message.content, _beaten(feedback.vote, message)
    if feedback.kind == FeedbackKind.UP:
        return message.content, _beside(message, FeedbackKind.DOWN)
    return _beside(message, FeedbackKind.UP), message.content


def _beside(message: Message, verdict: str) -> str:
    """The newest other answer to the same question that has this verdict; "" without one."""
    rows = Message.objects.filter(session=message.session_id, parent=message.parent_id)
    rated = rows.filter(role=MessageRole.ASSISTANT, feedback__verdict=verdict)
    others = rated.exclude(pk=message.pk).order_by("-created_at")
    return others.values_list("content", flat=True).first() or ""


def _beaten(vote: Vote, winner: Message) -> str:
    """The answer of the first other column that had one: what was answered under a vote stays."""
    others = [number for number in vote.answered if vote.best and number != vote.best.number]
    rows = Message.objects.filter(
        session__column__comparison=vote.comparison_id,
        session__column__number__in=others,
        position=winner.position,
        role=MessageRole.ASSISTANT,
    ).exclude(content="")
    newest = rows.order_by("session__column__number", "-created_at")
    return newest.values_list("content", flat=True).first() or ""


def fitting(purpose: str) -> Q:
    """Accepted feedback that this purpose can use."""
    if purpose == Purpose.SFT:
        return Q(has_chosen=True)
    if purpose == Purpose.DPO:
        return Q(has_chosen=True, has_rejected=True)
    return Q(has_chosen=True) | Q(has_rejected=True)


def records_of(purpose: str, example: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What an example is in a dataset for `purpose`: OpenAI messages."""
    turns, chosen, rejected = example["messages"], example["chosen"], example["rejected"]
    if purpose == Purpose.SFT and chosen:
        yield {"messages": [*turns, _said(chosen)]}
    elif purpose == Purpose.DPO and chosen and rejected:
        yield {"messages": turns, "chosen": _said(chosen), "rejected": _said(rejected)}
    elif purpose == Purpose.KTO:
        if chosen:
            yield {"messages": [*turns, _said(chosen)], "label": True}
        if rejected:
            yield {"messages": [*turns, _said(rejected)], "label": False}


def _said(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def problem_with(example: Mapping[str, Any]) -> str:
    """Why no dataset would take it, in words; "" if one would."""
    for record in records_of(Purpose.KTO, example):
        if problem := problem_with_example(Purpose.KTO, record):
            return problem
    return ""
