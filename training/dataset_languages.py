"""Which language a text is in, as far as its script and most frequent words tell.

A rough sorting of records for statistics, not a verdict on a single one.
"""

import re
from collections import Counter

SAMPLE_CHARS = 600
SCRIPTS = {
    "ja": re.compile("[\u3040-\u30ff]"),
    "ko": re.compile("[\uac00-\ud7af]"),
    "zh": re.compile("[\u4e00-\u9fff]"),
    "ru": re.compile("[\u0400-\u04ff]"),
    "ar": re.compile("[\u0600-\u06ff]"),
    "hi": re.compile("[\u0900-\u097f]"),
    "th": re.compile("[\u0e00-\u0e7f]"),
    "he": re.compile("[\u0590-\u05ff]"),
    "el": re.compile("[\u0370-\u03ff]"),
}
LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
WORD = re.compile("[a-z\u00e0-\u024f']+")
FREQUENT = {
    "en": "the of and to in is you that it for are with this what not be how have can from",
    "de": "der die und das ist nicht ein eine ich mit zu den von wie auf für sich sie auch dem",
    "fr": "le la les des est et une vous que pour dans pas qui sur avec du ce je comment sont",
    "es": "el los las que es una por con para como del no se más qué está su pero son cómo",
    "pt": "os que não uma para com por como mais você em são do da é ao ele também isso qual",
    "it": "il che di è non una per sono come con del della gli più si anche questo nel cosa ma",
    "nl": "de het een en van is niet dat ik op te met voor zijn hoe wat ook maar aan er",
    "vi": "và của là có không được cho một các những với người trong này để tôi bạn đã như khi",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam adalah pada saya anda akan bisa apa",
    "tr": "ve bir bu için ile ne çok da de olarak daha gibi ben değil nasıl var mı en kadar sonra",
}
WORDS = {word: set() for text in FREQUENT.values() for word in text.split()}  # type: dict[str, set[str]]
for _language, _text in FREQUENT.items():
    for _word in _text.split():
        WORDS[_word].add(_language)
OTHER = "other"


def language_of(text: str) -> str:
    """A code of ISO 639-1, or OTHER (code, numbers, too little)."""
    sample = text[:SAMPLE_CHARS]
    found = {name: len(script.findall(sample)) for name, script in SCRIPTS.items()}
    latin = len(LATIN.findall(sample))
    # Kana decide against Chinese characters, which Japanese has as well.
    if found["ja"] * 8 > found["zh"] and found["ja"] > 2:
        found["ja"] += found["zh"]
        found["zh"] = 0
    best = max(found, key=lambda name: found[name])
    # A character of other scripts says about as much as three letters.
    if found[best] and found[best] * 3 >= latin:
        return best
    return _latin_language(sample) if latin >= 4 else OTHER


def _latin_language(sample: str) -> str:
    """The language most of whose frequent words are there; several may share a word."""
    votes: Counter[str] = Counter()
    for word in WORD.findall(sample.lower()):
        known = WORDS.get(word, ())
        for language in known:
            votes[language] += 6 // len(known)
    return votes.most_common(1)[0][0] if votes else OTHER
