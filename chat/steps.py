"""What an application behind a provider did and found, in the words of a chat."""

from collections.abc import Sequence
from urllib.parse import quote, unquote, urlsplit
from uuid import UUID

from chat.models import MessageSource
from chat.models.grounding import NAME_CHARS
from providers.types import AgentStep, Citation, LinkedFile

STEP_CHARS = 600
SOURCES_MAX = 50
# What an address may have unquoted and still end no link of Markdown.
PLAIN = "/:?#@!&'*+,;=%-._~"


def told(step: AgentStep, said: str) -> str:
    """A step as a thought; what the answer has `said` already is left out."""
    thought = step.thought.strip()
    lines = [thought] if thought and thought not in said else []
    if step.tool:
        lines.append(f"→ {step.tool} {_short(step.tool_input)}".rstrip())
    if step.observation.strip():
        lines.append(f"← {_short(step.observation)}")
    return "\n".join(lines).replace("\x00", "")


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= STEP_CHARS else f"{words[:STEP_CHARS]}…"


def placed(thoughts: str, before: str, now: str) -> str:
    """`thoughts` with a step, in the place of what it was `before`."""
    if before and before in thoughts:
        head, _before, rest = thoughts.rpartition(before)
        return head + now + rest
    return "\n\n".join(part for part in (thoughts.rstrip(), now) if part)


def links(files: Sequence[LinkedFile]) -> str:
    """Markdown for the files that a browser may open."""
    lines = []
    for file in files:
        parts = urlsplit(file.url)
        if parts.scheme in ("http", "https") and parts.netloc:
            name = unquote(parts.path.rpartition("/")[2]) or file.type or "file"
            plain = "".join(each for each in name if each.isalnum() or each in " .-_")
            lines.append(f"- [{plain.strip() or 'file'}]({quote(file.url, safe=PLAIN)})")
    return "\n".join(lines)


def sources(
    message_id: UUID, citations: Sequence[Citation], *, found_by: str, after: int
) -> list[MessageSource]:
    """Numbered behind the `after` that are there."""
    return [
        MessageSource(
            message_id=message_id,
            number=number,
            base_name=found_by[:NAME_CHARS],
            document_name=each.title.replace("\x00", "")[:NAME_CHARS],
            text=each.text.replace("\x00", ""),
            score=each.score or 0.0,
        )
        for number, each in enumerate(citations[:SOURCES_MAX], after + 1)
    ]
