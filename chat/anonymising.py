"""Texts without what tells who somebody is. Rules, not a model: what they find they always find."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import regex
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

PATTERNS_MAX, PATTERN_CHARS, NAMES_MAX = 20, 300, 500
# An expression that takes longer on one text is refused.
TIMEOUT_S = 0.5
EMAIL = regex.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,5}(?![\w-])")
# Chinese mobile numbers, and any number that begins with + or 00, or is written in groups.
PHONE = regex.compile(
    r"(?<![\d.A-Za-z_])(?:(?:\+|00)[1-9]\d{0,2}[ ./-]?(?:\(\d{1,4}\)[ ./-]?)?\d{1,4}"
    r"(?:[ ./-]?\d{2,4}){2,4}|1[3-9]\d[ -]?\d{4}[ -]?\d{4}|0\d{2,3}-\d{7,8}"
    r"|\(\d{3}\) ?\d{3}-\d{4}|\d{3}-\d{3}-\d{4})(?![\dA-Za-z_])"
)
WORD = r"(?!(?:Mr|Mrs|Ms|Dr|Sir|Madam|All|Team)\b)\p{Lu}[\p{L}'’-]+"
SURNAMES = (
    "王李张刘陈杨黄赵吴周徐孙马朱胡郭何林高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董袁潘于蒋蔡余杜叶程苏魏吕丁任"
    "沈姚卢姜崔钟谭陆汪范金石廖贾夏韦付傅方白邹孟熊秦邱江尹薛闫段雷侯龙史陶黎贺顾毛郝龚邵万钱严覃武戴莫孔"
    "向汤温康施文牛樊葛邢安齐易乔伍庞颜倪庄聂章鲁岳翟殷詹申欧耿关兰焦俞左柳甘祝包宁尚符舒阮柯纪梅童凌毕单季"
    "裴霍涂成苗谷盛曲翁冉骆蓝路游辛靳管柴蒙鲍华喻祁蒲房滕屈饶解牟艾尤阳时穆农司卓古吉缪简车项连芦麦褚娄窦戚"
)
HAN_NAME = rf"(?:欧阳|司马|上官|诸葛|东方|[{SURNAMES}])\p{{Han}}"
# Who says a name after these words gives one away.
NAMED = (
    regex.compile(
        rf"(?<=\b(?i:my name is|i am called|dear|regards,|sincerely,|mr\.?|mrs\.?|ms\.?|dr\.?)"
        rf"\s{{1,3}}){WORD}(?: {WORD}){{0,2}}"
    ),
    regex.compile(rf"(?<=我叫|名字是|姓名[:：]\s?|联系人[:：]\s?|名叫){HAN_NAME}{{1,2}}"),
    regex.compile(rf"{HAN_NAME}{{0,2}}(?=先生|女士|小姐|经理|老师|医生|总监)"),
)


@dataclass(frozen=True)
class Anonymiser:
    """`names` are known ones; `finds_names` looks for words after "my name is" and the like."""

    emails: bool = False
    phones: bool = False
    finds_names: bool = False
    names: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()

    @classmethod
    def of(cls, chosen: Mapping[str, Any]) -> Self:
        return cls(
            emails=bool(chosen.get("emails")),
            phones=bool(chosen.get("phones")),
            finds_names=bool(chosen.get("finds_names")),
            names=tuple(chosen.get("names", ())),
            patterns=tuple(chosen.get("patterns", ())),
        )

    def as_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            name: True for name in ("emails", "phones", "finds_names") if getattr(self, name)
        }
        found |= {"names": list(self.names)} if self.names else {}
        return found | ({"patterns": list(self.patterns)} if self.patterns else {})

    @property
    def is_idle(self) -> bool:
        return not self.as_json()

    @cached_property
    def _rules(self) -> list[tuple[Any, str]]:
        rules: list[tuple[Any, str]] = [
            (regex.compile(text), "[REMOVED]") for text in self.patterns
        ]
        if self.emails:
            rules.append((EMAIL, "[EMAIL]"))
        if self.phones:
            rules.append((PHONE, "[PHONE]"))
        if self.names:
            longest = sorted(self.names, key=len, reverse=True)
            rules.append((regex.compile("|".join(map(_whole, longest)), regex.I), "[NAME]"))
        if self.finds_names:
            rules += [(each, "[NAME]") for each in NAMED]
        return rules

    def text(self, text: str) -> str:
        """ValidationError when an expression takes too long."""
        for pattern, instead in self._rules:
            try:
                text = pattern.sub(instead, text, timeout=TIMEOUT_S)
            except TimeoutError as error:
                told = _("This expression takes too long: %(pattern)s") % {
                    "pattern": pattern.pattern[:80]
                }
                raise ValidationError({"patterns": [told]}) from error
        return text

    def example(self, example: Mapping[str, Any]) -> dict[str, Any]:
        if self.is_idle:
            return dict(example)
        turns = [{**turn, "content": self.text(turn["content"])} for turn in example["messages"]]
        answers = {name: self.text(example[name]) for name in ("chosen", "rejected")}
        return {"messages": turns, **answers}


def _whole(name: str) -> str:
    """Not in the middle of a word; Chinese has no spaces."""
    escaped = regex.escape(name)
    return escaped if regex.search(r"\p{Han}", name) else rf"\b{escaped}\b"


def checked_lines(text: str, *, field: str, limit: int) -> tuple[str, ...]:
    """One a line. ValidationError keyed by `field`."""
    lines = tuple(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
    if len(lines) > limit:
        raise ValidationError({field: [_("At most %(count)d lines.") % {"count": limit}]})
    if any(len(line) > PATTERN_CHARS for line in lines):
        told = _("A line has at most %(count)d characters.") % {"count": PATTERN_CHARS}
        raise ValidationError({field: [told]})
    return lines


def check_patterns(patterns: tuple[str, ...]) -> None:
    """ValidationError keyed by "patterns"."""
    for text in patterns:
        try:
            pattern = regex.compile(text)
        except regex.error as error:
            told = _("“%(pattern)s” is no regular expression: %(error)s")
            values = {"pattern": text[:80], "error": str(error)}
            raise ValidationError({"patterns": [told % values]}) from error
        if pattern.match(""):
            told = _("“%(pattern)s” matches empty text.") % {"pattern": text[:80]}
            raise ValidationError({"patterns": [told]})


@dataclass(frozen=True)
class Changed:
    """A text before and after."""

    before: str
    after: str


def changes(anonymiser: Anonymiser, example: Mapping[str, Any]) -> Iterator[Changed]:
    """Every text of the example that becomes another."""
    texts = [turn["content"] for turn in example["messages"]]
    for text in (*texts, example["chosen"], example["rejected"]):
        after = anonymiser.text(text)
        if after != text:
            yield Changed(text, after)
