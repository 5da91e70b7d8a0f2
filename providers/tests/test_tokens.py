"""Token estimates: the formula, its bounds, and what messages add."""

import math

import pytest

from providers.tokens import estimated_prompt_tokens, estimated_tokens

CHINESE = "人工智能正在改变世界，模型的能力每个月都在提高。"


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("abcd" * 25, 25),
        ("你好", 2),
        ("你好, world", 2 + 7 / 4),
        ("こんにちは", 5),
        ("안녕하세요", 5),
        ("，。！", 3),
        ("é" * 4, 2),
        ("😀", 1),
        (CHINESE, len(CHINESE)),
        ("\ud83d", 0.75),
    ],
)
def test_the_formula(text: str, tokens: float) -> None:
    """One a CJK character, punctuation of full width included, and bytes / 4 for the rest."""
    assert estimated_tokens(text) == tokens


def test_pieces_add_up_to_the_whole() -> None:
    text = "Hello 世界, ça va? 안녕 " * 20
    assert sum(estimated_tokens(each) for each in text) == pytest.approx(estimated_tokens(text))


def test_a_prompt_counts_messages_the_request_and_images() -> None:
    assert estimated_prompt_tokens([]) == 3
    message = {"role": "user", "content": "abcde"}
    assert estimated_prompt_tokens([message]) == math.ceil(3 + 4 + 5 / 4)
    image = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    pictured = {"role": "user", "content": [{"type": "text", "text": "abcd"}, image, image]}
    assert estimated_prompt_tokens([pictured]) == 3 + 4 + 1 + 2000


@pytest.mark.parametrize("content", [None, 7, {}, [None, 3, {"type": "text", "text": 5}]])
def test_odd_contents_cost_what_a_message_costs(content: object) -> None:
    assert estimated_prompt_tokens([{"role": "user", "content": content}]) == 7
