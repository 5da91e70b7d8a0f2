"""The documentation names everything that exists, and nothing that does not."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from django.core.management import get_commands, load_command_class

from llmplatform.routing import websocket_urlpatterns
from tests.sources import PACKAGES, ROOT

# Reads the sources, whatever the database is; in one process, which parses each of them once.
pytestmark = [pytest.mark.sources, pytest.mark.xdist_group("sources")]

DOCS = ROOT / "docs"
READERS = {"read_text", "read_bool", "read_int", "read_decimal", "read_list", "read_path"}
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# Read from the environment but set by the platform itself or by pytest.
INTERNAL = {
    "DJANGO_SETTINGS_MODULE",
    "DJANGO_ALLOW_ASYNC_UNSAFE",
    "PYTEST_XDIST_WORKER",
    "API_KEY",
    "VIRTUAL_ENV",
    "RANK",
    "WORLD_SIZE",
}
# Options that every Django command has.
COMMON_OPTIONS = {
    *("--help", "--version", "--verbosity", "--settings", "--pythonpath", "--traceback"),
    *("--no-color", "--force-color", "--skip-checks"),
}


def _page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def _python_files() -> Iterator[Path]:
    yield ROOT / "conftest.py"
    for package in PACKAGES:
        yield from (p for p in (ROOT / package).rglob("*.py") if "tests" not in p.parts)


def _variable_of(node: ast.AST) -> str:
    """The environment variable that `node` reads, or nothing."""
    name: ast.AST | None = None
    if isinstance(node, ast.Call) and node.args:
        called = ast.unparse(node.func)
        if called.rsplit(".", 1)[-1] in READERS or called in ("os.environ.get", "os.getenv"):
            name = node.args[0]
    elif isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
        name = node.slice if ast.unparse(node.value) == "os.environ" else None
    is_word = isinstance(name, ast.Constant) and isinstance(name.value, str)
    word = str(name.value) if is_word and isinstance(name, ast.Constant) else ""
    return word if VARIABLE.fullmatch(word) else ""


@cache
def variables() -> dict[str, str]:
    """Every environment variable that the code reads, with the place."""
    found: dict[str, str] = {}
    for path in _python_files():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
            name = _variable_of(node)
            if name and name not in INTERNAL:
                line = getattr(node, "lineno", 0)
                found.setdefault(name, f"{path.relative_to(ROOT)}:{line}")
    return found


def _documented() -> set[str]:
    """Variables in the first column of configuration.md's tables."""
    rows = [line for line in _page("configuration.md").splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row.split("|")[1])}


def _passed_on() -> set[str]:
    from training.mirroring import VARIABLES
    from training.shim.process import PASSED_ON

    return {*PASSED_ON, *VARIABLES}


def test_every_environment_variable_is_documented() -> None:
    missing = {n: place for n, place in variables().items() if n not in _documented()}
    assert not missing, f"add them to docs/configuration.md: {missing}"


def test_every_documented_variable_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    given = set(re.findall(r"^([A-Z]+) \?=|\$\(([A-Z]+)\)", makefile, re.M))
    known = variables().keys() | _passed_on() | {name for pair in given for name in pair}
    assert _documented() - known == set(), "docs/configuration.md names what nothing reads"


def _composed() -> set[str]:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    block = text.split("environment: &environment")[1].split("volumes:")[0]
    return set(re.findall(r"^    ([A-Z_]+):", block, re.M))


def test_the_compose_file_sets_only_variables_that_exist() -> None:
    assert _composed() and _composed() - _documented() == set()


def own_commands() -> list[str]:
    return sorted(name for name, app in get_commands().items() if app in PACKAGES)


@pytest.mark.parametrize("name", own_commands())
def test_every_command_is_documented(name: str) -> None:
    app = get_commands()[name]
    assert isinstance(app, str)
    command = load_command_class(app, name)
    assert command.help, f"manage.py {name} has no help text"
    page = _page("commands.md")
    assert f"manage.py {name}" in page, f"add manage.py {name} to docs/commands.md"
    section = page.split(f"manage.py {name}", 1)[1].split("\n## ")[0]
    options = {
        option
        for action in command.create_parser("manage.py", name)._actions
        for option in action.option_strings
        if option.startswith("--")
    }
    missing = {option for option in options - COMMON_OPTIONS if option not in section}
    assert not missing, f"docs/commands.md lacks options of {name}: {missing}"


def _targets() -> dict[str, str]:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.M)
    assert phony is not None
    helped = dict(re.findall(r"^([a-z]+):.*?## (.*)$", makefile, re.M))
    return {name: helped.get(name, "") for name in phony[1].split()}


@pytest.mark.parametrize("target", _targets())
def test_every_make_target_is_documented(target: str) -> None:
    assert _targets()[target], f"make {target} has no help line"
    assert f"`make {target}`" in _page("commands.md")


def test_the_readme_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", readme, re.S)
    assert [block.strip() for block in blocks[:2]] == ["make run", "make test"]
    assert {"run", "test"} <= _targets().keys()


def test_the_index_links_every_page() -> None:
    pages = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")} - {"index.md"}
    linked = set(LINK.findall(_page("index.md")))
    assert pages <= linked, "link these pages in docs/index.md"


@pytest.mark.parametrize("page", ["README.md", *(f"docs/{p.name}" for p in DOCS.glob("*.md"))])
def test_links_lead_somewhere(page: str) -> None:
    path = ROOT / page
    for target in LINK.findall(path.read_text(encoding="utf-8")):
        if "://" not in target and not target.startswith("mailto:"):
            assert (path.parent / target).exists(), f"{page} links to {target}"


def test_every_socket_is_documented() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in DOCS.glob("*.md"))
    for pattern in websocket_urlpatterns:
        start = "/" + str(pattern.pattern).lstrip("^").split("<")[0].split("(")[0]
        assert start in text, f"describe the events of {start} in docs/"


def test_every_test_that_the_security_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", _page("security.md")))
    files = [
        path for package in (*PACKAGES, "tests") for path in (ROOT / package).rglob("test_*.py")
    ]
    defined = {
        name
        for path in files
        for name in re.findall(
            r"^(?:async )?def (test_\w+)", path.read_text(encoding="utf-8"), re.M
        )
    }
    assert named and named - defined == set()
