"""Catalogs without GNU gettext: collect texts, merge them into .po files, compile .mo files.

Each app owns `<app>/locale` for its Python and `templates/<app>/`; everything else (llmplatform,
the shared templates) belongs to the top-level `locale`. Texts are literals by design: an f-string
in a translation call is an error.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polib
from django.template.base import Lexer, Token, TokenType
from django.utils.text import smart_split

APPS = ("accounts", "providers", "prompts", "knowledge", "training", "chat")
LOCALE = "zh_Hans"
SINGULAR = {"_", "gettext", "gettext_lazy", "gettext_noop"}
PLURAL = {"ngettext", "ngettext_lazy"}
CONTEXT = {"pgettext", "pgettext_lazy"}
HEADER = {
    "Content-Type": "text/plain; charset=UTF-8",
    "Content-Transfer-Encoding": "8bit",
    "Language": LOCALE,
    "Plural-Forms": "nplurals=1; plural=0;",
}


class NotLiteral(Exception):
    """A translation call whose text is computed: nobody could translate it."""


@dataclass(frozen=True, order=True)
class Text:
    msgid: str
    plural: str = ""
    context: str = ""


@dataclass(frozen=True)
class Catalog:
    """One .po file and the sources whose texts it holds."""

    name: str
    path: Path
    sources: tuple[Path, ...]

    @property
    def po(self) -> Path:
        return self.path / LOCALE / "LC_MESSAGES" / "django.po"


def catalogs(root: Path) -> list[Catalog]:
    owned = [
        Catalog(app, root / app / "locale", (root / app, root / "templates" / app)) for app in APPS
    ]
    shared = [root / "llmplatform"]
    shared += [path for path in (root / "templates").glob("*") if path.name not in APPS]
    return [*owned, Catalog("llmplatform", root / "locale", tuple(shared))]


def python_texts(source: str, name: str) -> Iterator[Text]:
    for node in ast.walk(ast.parse(source, name)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        if called not in SINGULAR | PLURAL | CONTEXT or not node.args:
            continue
        wanted = 1 if called in SINGULAR else 2
        words = [arg.value for arg in node.args[:wanted] if isinstance(arg, ast.Constant)]
        literal = [word for word in words if isinstance(word, str)]
        if len(literal) < wanted:
            raise NotLiteral(f"{name}:{node.lineno}")
        if called in SINGULAR:
            yield Text(literal[0])
        elif called in PLURAL:
            yield Text(literal[0], plural=literal[1])
        else:
            yield Text(literal[1], context=literal[0])


def template_texts(source: str) -> Iterator[Text]:
    tokens = iter(Lexer(source).tokenize())
    for token in tokens:
        if token.token_type not in (TokenType.BLOCK, TokenType.VAR):
            continue
        words = list(smart_split(token.contents))
        if words and words[0] in ("translate", "trans") and words[1][0] in "\"'":
            context = words[words.index("context") + 1][1:-1] if "context" in words else ""
            yield Text(words[1][1:-1], context=context)
        elif words and words[0] in ("blocktranslate", "blocktrans"):
            yield _block(tokens, is_trimmed="trimmed" in words)
        else:
            yield from _inline(words)


def _inline(words: list[str]) -> Iterator[Text]:
    for word in words:
        start = word.find('_("')
        if start >= 0 and '")' in word[start:]:
            yield Text(word[start + 3 : word.index('")', start)])


def _block(tokens: Iterator[Token], *, is_trimmed: bool) -> Text:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token.token_type == TokenType.TEXT:
            parts[-1].append(token.contents.replace("%", "%%"))
        elif token.token_type == TokenType.VAR:
            parts[-1].append(f"%({token.contents})s")
        elif token.contents.strip() == "plural":
            parts.append([])
        else:
            break
    texts = ["".join(part) for part in parts]
    if is_trimmed:
        texts = [" ".join(line.strip() for line in t.splitlines()).strip() for t in texts]
    return Text(texts[0], plural=texts[1] if len(texts) > 1 else "")


def collect(catalog: Catalog, root: Path) -> dict[Text, set[str]]:
    """Every text of the catalog's sources, with the files it occurs in."""
    found: dict[Text, set[str]] = {}
    for place in catalog.sources:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.suffix not in (".py", ".html", ".txt", ".md") or "tests" in file.parts:
                continue
            name = str(file.relative_to(root))
            source = file.read_text(encoding="utf-8")
            texts = python_texts(source, name) if file.suffix == ".py" else template_texts(source)
            for text in texts:
                found.setdefault(text, set()).add(name)
    return found


def _entry(text: Text, files: set[str]) -> polib.POEntry:
    fields: dict[str, object] = {"msgid": text.msgid}
    if text.plural:
        fields |= {"msgid_plural": text.plural, "msgstr_plural": {0: ""}}
    if text.context:
        fields["msgctxt"] = text.context
    return polib.POEntry(occurrences=[(name, "") for name in sorted(files)], **fields)


def _key(entry: polib.POEntry) -> Text:
    return Text(entry.msgid, entry.msgid_plural or "", entry.msgctxt or "")


def merged(catalog: Catalog, root: Path) -> polib.POFile:
    """The catalog as it should be: today's texts, with the translations that exist."""
    known = {}
    if catalog.po.exists():
        known = {_key(entry): entry for entry in polib.pofile(str(catalog.po))}
    result = polib.POFile(wrapwidth=100)
    result.metadata = dict(HEADER)
    for text, files in sorted(collect(catalog, root).items()):
        entry = _entry(text, files)
        before = known.get(text)
        if before is not None:
            entry.msgstr = before.msgstr
            entry.msgstr_plural = before.msgstr_plural or entry.msgstr_plural
        result.append(entry)
    return result


def untranslated(catalog: polib.POFile) -> list[str]:
    return [entry.msgid for entry in catalog if not entry.translated()]


def compile_catalog(catalog: Catalog) -> bool:
    """Write the .mo file when it is older than the .po file; whether it was."""
    if not catalog.po.exists():
        return False
    mo = catalog.po.with_suffix(".mo")
    if mo.exists() and mo.stat().st_mtime >= catalog.po.stat().st_mtime:
        return False
    polib.pofile(str(catalog.po)).save_as_mofile(str(mo))
    return True
