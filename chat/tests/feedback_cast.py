"""Answers to rate, and people who agree that others learn from them."""

from accounts.models import User
from chat import feedback, reviewing
from chat.models import ChatSession, Feedback, Message, MessageRole, MessageStatus


def answered(
    owner: User, question: str, answer: str, *, model: str = "qwen", system: str = ""
) -> Message:
    """A chat with one question and its answer."""
    session = ChatSession.objects.create(owner=owner, title=question, system_prompt=system)
    asked = Message.objects.create(
        session=session, position=0, role=MessageRole.USER, content=question
    )
    return another(asked, answer, model=model)


def another(question: Message, answer: str, *, model: str = "qwen") -> Message:
    """One more answer to a question, which is shown from then on."""
    message = Message.objects.create(
        session=question.session,
        parent=question,
        position=question.position + 1,
        role=MessageRole.ASSISTANT,
        content=answer,
        model_label=model,
        status=MessageStatus.DONE,
    )
    ChatSession.objects.filter(pk=message.session_id).update(tip=message)
    return message


def rated(owner: User, question: str, answer: str, verdict: str = "up", **more: str) -> Feedback:
    found = feedback.give(
        message=answered(owner, question, answer), user=owner, verdict=verdict, **more
    )
    assert found is not None
    return found


def accepted(actor: User, owner: User, question: str, answer: str, **more: str) -> Feedback:
    """Of somebody who agrees."""
    feedback.give_consent(user=owner)
    return reviewing.accept(feedback=rated(owner, question, answer, **more), actor=actor)
