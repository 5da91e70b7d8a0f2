"""Log lines: one an event, no secret, no forged line."""

import logging
import sys

import pytest

from llmplatform.logs import LineFormatter, masked


def _line(message: str, *args: object) -> str:
    return LineFormatter().format(
        logging.LogRecord("x", logging.INFO, __file__, 1, message, args, None)
    )


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer abcdef123456",
        "api_key=abcdef123456",
        "api-key: abcdef123456",
        '{"password": "abcdef123456"}',
        "token=abcdef123456&x=1",
        "called with sk-abcdef123456",
        "llmp_abcdef123456.ghijkl",
    ],
)
def test_secrets_are_masked(text: str) -> None:
    assert "abcdef123456" not in masked(text)
    assert "***" in masked(text)


@pytest.mark.parametrize("text", ["task-abcdef123456 done", "risk-assessment-2026", "tokens 15"])
def test_ordinary_words_are_not(text: str) -> None:
    assert masked(text) == text


def test_a_message_cannot_forge_a_line() -> None:
    line = _line("name %s", "x\n2026-01-01T00:00:00 ERROR root all is lost")
    assert "\n" not in line and "\\n" in line


def test_chinese_stays_readable() -> None:
    assert "数据集" in _line("数据集 ready")


def test_tracebacks_are_masked_too() -> None:
    try:
        raise ValueError("Bearer abcdef123456")
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "failed", (), sys.exc_info())
    shown = LineFormatter().format(record)
    assert "ValueError" in shown and "abcdef123456" not in shown
