"""`/ws/compare/<comparison>/`: the columns' sessions at once, each event with its `column`, and the
comparison's own. Query: `since=<revision of the first column>,<of the second>,…`."""

import uuid
from dataclasses import replace
from typing import Any

from django.template.loader import render_to_string
from django.utils.translation import override

from accounts.access import socket_user
from accounts.models import User
from chat.columns import as_known
from chat.comparison_schemas import ComparisonRow
from chat.comparison_showing import Shown, message_context
from chat.consumers import SessionsConsumer, Track, revision_of
from chat.following import Changes, SessionGone
from chat.models import Comparison, ComparisonColumn
from chat.watching import PageView, TextView
from llmplatform.sockets import NOT_FOUND, UNAUTHENTICATED, language_of

# Parts of the page, by the id of the element that each replaces.
PARTS = {
    "compare-head": "chat/comparison/head.html",
    "compare-table": "chat/comparison/table.html",
    "compare-verdict": "chat/comparison/verdict.html",
}

NAME = "chat/comparison/name.html"


def _known(changes: Changes, column: ComparisonColumn) -> Changes:
    return replace(changes, turns=as_known(changes.turns, column.comparison))


class ColumnTextView(TextView):
    def __init__(self, column: ComparisonColumn) -> None:
        self._column = column

    def state(self, changes: Changes) -> dict[str, Any]:
        return super().state(_known(changes, self._column))


class ColumnPageView(PageView):
    def __init__(self, language: str, column: ComparisonColumn, reader: User) -> None:
        super().__init__(language, reader.pk)
        self._column, self._reader = column, reader

    def state(self, changes: Changes) -> dict[str, Any]:
        return super().state(_known(changes, self._column))

    def context(self) -> dict[str, Any]:
        return message_context(self._column, self._reader)


class CompareConsumer(SessionsConsumer):
    def _admit(self) -> int:
        user = socket_user(self.scope)
        if not isinstance(user, User):
            return UNAUTHENTICATED
        self._reader = user
        self._id = uuid.UUID(str(self.scope["url_route"]["kwargs"]["comparison_id"]))
        self._language = language_of(self._query)
        self._told: tuple[int, bool] | None = None
        self._parts: dict[str, str] = {}
        try:
            self._comparison = self._found()
        except SessionGone:
            return NOT_FOUND
        known = self._query.get("since", [""])[0].split(",")
        columns = list(self._comparison.columns.all())
        known += [""] * len(columns)
        self._columns = columns
        self._tracks = [
            Track(
                self,
                column.session_id,
                self._view(column),
                since=revision_of(since),
                about={"column": column.number},
            )
            for column, since in zip(columns, known, strict=False)
        ]
        return 0

    def _view(self, column: ComparisonColumn) -> ColumnTextView | ColumnPageView:
        language = self._language
        if language is None:
            return ColumnTextView(column)
        return ColumnPageView(language, column, self._reader)

    def _found(self) -> Comparison:
        """Raises SessionGone when it is deleted, or no longer shared."""
        found = Comparison.objects.readable_by(self._reader).filter(pk=self._id).first()
        if found is None:
            raise SessionGone
        return found

    def _prepare(self) -> None:
        """When the names are shown, everything that was told without them is told again."""
        self._comparison = self._found()
        was_masked = self._told is not None and self._told[1]
        for column, track in zip(self._columns, self._tracks, strict=True):
            column.comparison = self._comparison
            if was_masked and not self._comparison.is_masked:
                track.follower.revision = -1

    def _beside(self, *, is_changed: bool) -> dict[str, Any] | None:
        now = (self._comparison.revision, self._comparison.is_masked)
        if not is_changed and now == self._told:
            return None
        self._told = now
        event = {"type": "comparison", "revision": self._comparison.revision}
        if self._language is None:
            row = ComparisonRow.from_orm(self._comparison).model_dump(mode="json")
            return {**event, "comparison": row}
        parts = self._rendered()
        changed = {name: html for name, html in parts.items() if self._parts.get(name) != html}
        self._parts = parts
        return {**event, "parts": changed} if changed else None

    def _rendered(self) -> dict[str, str]:
        shown = Shown(self._comparison, self._reader)
        context = {"shown": shown, "comparison": self._comparison}
        with override(self._language):
            parts: dict[str, str] = {
                name: render_to_string(each, context) for name, each in PARTS.items()
            }
            for side in shown.sides:
                name = f"compare-name-{side.column.number}"
                parts[name] = render_to_string(NAME, {**context, "side": side})
        return parts
