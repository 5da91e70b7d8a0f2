"""What providers answer when something goes wrong, in our one vocabulary."""

import json
from typing import Any

import pytest

from providers.errors import ProviderError, error_in, error_of, retry_after_s_of
from providers.registry import ADAPTERS
from providers.tests.wire import CODES, ERRORS, KEY


def text_of(body: Any) -> str:
    """A text that begins with a quote is a bare JSON string; others are pages."""
    return body if isinstance(body, str) else json.dumps(body)


def label(example: dict[str, Any]) -> str:
    return f"{example['provider']}-{example['status']}-{example['kind']}"


def test_all_examples_are_here() -> None:
    assert len(ERRORS) == 61


@pytest.mark.parametrize("example", ERRORS, ids=label)
def test_an_error_body_is_understood(example: dict[str, Any]) -> None:
    text = text_of(example["body"])
    waits = retry_after_s_of(example["headers"])
    error: ProviderError | None = error_of(example["status"], text, waits)
    if example["status"] == 200:
        error = error_in(example["body"], text)
    assert error is not None
    assert error.code == CODES[example["kind"]]
    assert error.retry_after_s == example.get("retry_after")


@pytest.mark.parametrize("example", ERRORS, ids=label)
def test_nothing_of_a_body_is_shown(example: dict[str, Any]) -> None:
    error = error_of(example["status"], text_of(example["body"]) + KEY)
    assert str(error) == error.detail == f"HTTP {example['status']}"
    assert KEY not in f"{error!r} {error.advice}"


@pytest.mark.parametrize("example", [e for e in ERRORS if e["status"] == 200], ids=label)
@pytest.mark.parametrize(("is_stream", "is_event"), [(True, True), (True, False), (False, False)])
def test_an_error_in_an_answer_of_200(
    example: dict[str, Any], is_stream: bool, is_event: bool
) -> None:
    text = text_of(example["body"])
    reader = ADAPTERS["openai"].reader(is_stream=is_stream)
    with pytest.raises(ProviderError) as caught:
        list(reader.feed(f"data: {text}\n\n".encode() if is_event else text.encode()))
        list(reader.finish())
    assert caught.value.code == CODES[example["kind"]]


@pytest.mark.parametrize("kind", ["openai", "azure", "anthropic", "gemini", "ollama", "cohere"])
def test_a_model_list_of_200_can_be_an_error(kind: str) -> None:
    for body, code in (
        (b'{"error":{"message":"insufficient balance"}}', "no_money"),
        (b"<html>", "invalid_answer"),
        (b"{}", "invalid_answer"),
        (b"1", "invalid_answer"),
    ):
        with pytest.raises(ProviderError) as caught:
            ADAPTERS[kind].read_models(body)
        assert caught.value.code == code


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "3"}, 3.0),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after-ms": "250.5", "retry-after": "9"}, 0.2505),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:10 GMT"}, 10.0),
        ({"retry-after": "Wed, 21 Oct 2020 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "inf"}, 3600.0),
        ({"retry-after-ms": "7200000"}, 3600.0),
        ({"retry-after": "Fri, 21 Oct 2033 07:28:00 GMT"}, 3600.0),
        ({}, None),
    ],
)
def test_how_long_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    found = retry_after_s_of(headers, now_s=1792567680.0)
    assert found == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (408, "timeout"),
        (409, "conflict"),
        (412, "no_money"),
        (524, "timeout"),
        (500, "unavailable"),
    ],
)
def test_a_status_alone(status: int, code: str) -> None:
    assert error_of(status, "").code == code


def test_nobody_waits_for_days() -> None:
    body = '{"error": {"code": 429, "details": [{"retryDelay": "86400s"}]}}'
    assert error_of(429, body).retry_after_s == 3600.0
