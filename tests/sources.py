"""What the architecture tests see: every module of the project and what it imports."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from django.conf import settings

ROOT = Path(settings.BASE_DIR)
APPS = ("accounts", "providers", "prompts", "knowledge", "training", "chat")
PACKAGES = (*APPS, "llmplatform")
# Not part of the running web application: tests, generated code, the training environment.
LEFT_OUT = {"tests", "migrations", "environment", "__pycache__"}


@dataclass(frozen=True)
class Import:
    """`module` is imported at `path:line`; `is_late` when inside a function or TYPE_CHECKING."""

    path: Path
    line: int
    module: str
    is_late: bool = False

    @property
    def place(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}"

    @property
    def source(self) -> str:
        return module_name(self.path)

    @property
    def app(self) -> str:
        return self.module.split(".")[0]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def sources(*packages: str) -> Iterator[Path]:
    for package in packages:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not LEFT_OUT & set(path.relative_to(ROOT).parts):
                yield path


@cache
def known_modules() -> frozenset[str]:
    return frozenset(module_name(path) for path in sources(*PACKAGES))


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return tuple(_walk(tree, path, is_late=False))


def _walk(node: ast.AST, path: Path, *, is_late: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        yield from _named(child, path, is_late=is_late)
        function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test)
        yield from _walk(child, path, is_late=is_late or function or typing_only)


def _named(node: ast.AST, path: Path, *, is_late: bool) -> Iterator[Import]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Import(path, node.lineno, alias.name, is_late)
    elif isinstance(node, ast.ImportFrom):
        base = _base(node, path)
        for alias in node.names:
            # `from app import module` names a module, `from app.module import Thing` does not.
            full = f"{base}.{alias.name}"
            yield Import(path, node.lineno, full if full in known_modules() else base, is_late)


def _base(node: ast.ImportFrom, path: Path) -> str:
    if not node.level:
        return node.module or ""
    package = module_name(path).split(".")
    package = package if path.name == "__init__.py" else package[:-1]
    kept = package[: len(package) - node.level + 1]
    return ".".join([*kept, node.module] if node.module else kept)


def project_imports(*packages: str) -> list[Import]:
    """Imports of the project's own modules."""
    return [
        found for path in sources(*packages) for found in imports_of(path) if found.app in PACKAGES
    ]
