"""Sentences that their sources do not bear out are found, others are left alone."""

import pytest

from knowledge.supporting import sentences, unsupported

LEAVE = "Employees have 25 days of paid leave a year. Leave is asked for two weeks before."
PARK = (
    "乍都节公园位于泰国的首都曼谷的乍都节县。1975年由泰国国家铁路局捐献土地建筑成公园。1980年12月4日，"
    "公园开放。它的面积约为0.304平方公里。公园里亦有一座小型的火车博物馆，展示泰国的机车及车厢。"
    "机场位于市西20km，有六十五座桥，票价1,200铢。"
)


def marked(answer: str, *passages: str) -> list[str]:
    return [answer[each.start : each.end].strip() for each in unsupported(answer, passages)]


@pytest.mark.parametrize(
    "answer",
    [
        "乍都节公园在曼谷，土地是泰国国家铁路局 1975 年捐献的[1]。",
        "公园于 1980 年 12 月 4 日开放，面积约 0.304 平方公里[1]。",
        "园内有一座小型火车博物馆，展示机车和车厢。[1]",
        "公园位于曼谷，机场位于市区以西 20 公里[1]。",
        "公园里有 65 座桥，票价 1200 铢[1]。",
        "- **乍都节公园**在泰国的首都曼谷[1]",
        "3. 公园里有火车博物馆，展示泰国的车厢[1]",
        "好的。",
        "Yes.",
    ],
)
def test_what_a_passage_says_is_not_marked(answer: str) -> None:
    assert marked(answer, PARK) == []


@pytest.mark.parametrize(
    "answer",
    [
        "公园每天晚上九点举行喷泉表演。",
        "它的面积约为 0.403 平方公里[1]。",
        "公园于 1981 年 12 月 4 日开放[1]。",
        "公园里有 66 座桥[1]。",
        "公园收取每人一百元的门票，学生半价优惠。",
    ],
)
def test_what_no_passage_says_is_marked(answer: str) -> None:
    assert marked(answer, PARK) == [answer]


def test_five_planted_sentences() -> None:
    planted = [
        "The canteen serves a three-course lunch for four euros.",
        "New colleagues get a laptop and a telephone on their first day.",
        "The office closes at noon on the last Friday of every month.",
        "A bonus of 900 euros is paid to everybody in December.",
        "Employees have 30 days of paid leave a year.",
    ]
    said = [
        "Employees have 25 days of paid leave each year [1].",
        "Ask for leave two weeks before.",
    ]
    answer = " ".join([said[0], *planted, said[1]])
    assert marked(answer, LEAVE, PARK) == planted


def test_a_cited_passage_is_the_one_that_counts() -> None:
    assert marked("Employees have 25 days of paid leave [2].", PARK, LEAVE) == []
    wrong = "Employees have 25 days of paid leave [1]."
    assert marked(wrong, PARK, LEAVE) == [wrong]


def test_several_cited_passages_count_together() -> None:
    sources = (
        "Employees have 25 days of leave.",
        "Trainees have a bicycle allowance of 300 euros.",
    )
    text = "Employees have 25 days of leave, trainees a bicycle allowance of 300 euros"
    assert marked(f"{text} [1, 2].", *sources) == []
    assert marked(f"{text} [1].", *sources) == [f"{text} [1]."]


def test_code_tables_and_headings_are_left_out() -> None:
    answer = (
        "# Everything that nobody has ever written\n\n| made | up | by | hand | 17 |\n"
        "```\nprint('nothing of this is in any source')\n```\n"
    )
    assert marked(answer, LEAVE) == []


def test_nothing_is_marked_without_passages() -> None:
    assert unsupported("The canteen serves a three-course lunch.", []) == []


def test_a_citation_after_the_full_stop_belongs_to_the_sentence() -> None:
    text = "年假二十五天。[1] 食堂有午餐。【2】Two weeks.[1][2] Soup 1.5 l. End"
    found = [text[start:end].strip() for start, end in sentences(text)]
    assert found == [
        "年假二十五天。[1]",
        "食堂有午餐。【2】",
        "Two weeks.[1][2]",
        "Soup 1.5 l.",
        "End",
    ]


def test_long_answers_are_quick_to_cut() -> None:
    """Every character is looked at once: no pattern starts again and again."""
    text = "word [1 " * 20_000
    assert [(start, end) for start, end in sentences(text)] == [(0, len(text))]
