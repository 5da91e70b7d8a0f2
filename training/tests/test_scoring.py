import pytest

from training.runner.scoring import score, tokens_of


def test_chinese_is_counted_by_character_and_the_rest_by_word() -> None:
    assert tokens_of("Qwen3 很好，API v2!") == ["qwen3", "很", "好", "api", "v2"]
    assert tokens_of("ＡＢＣ") == ["abc"], "wide letters are letters"


@pytest.mark.parametrize("text", ["The cat sat on the mat.", "图书馆早上九点开门。", "one"])
def test_the_expected_answer_has_full_marks(text: str) -> None:
    found = score(f"  {text.upper()} ", text)
    assert found.exact == found.rouge_1 == found.rouge_l == 1
    assert found.bleu == pytest.approx(1)


def test_scores_by_hand() -> None:
    found = score("the cat was on a mat", "the cat sat on the mat")
    # Shared: the, cat, on, mat of six words each; in order the same four; of pairs "the cat".
    assert found.rouge_1 == pytest.approx(4 / 6)
    assert found.rouge_l == pytest.approx(4 / 6)
    assert found.rouge_2 == pytest.approx(1 / 5)
    # 4/6, (1+1)/(5+1), (0+1)/(4+1), (0+1)/(3+1); both are equally long.
    assert found.bleu == pytest.approx((4 / 6 * 2 / 6 * 1 / 5 * 1 / 4) ** 0.25)
    assert found.exact == 0


def test_a_short_answer_pays_for_its_brevity() -> None:
    assert score("the cat", "the cat sat on the mat").bleu < 0.2
    assert score("", "anything").bleu == 0
    assert score("无关", "完全不同的话").rouge_l == 0


def test_order_counts_for_rouge_l_alone() -> None:
    found = score("门开点九", "九点开门")
    assert found.rouge_1 == 1 and found.rouge_l == pytest.approx(1 / 4)
