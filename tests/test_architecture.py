"""The layout that house rules promise: who may import what. Each failure names file and line."""

from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.sources import APPS, ROOT, Import, imports_of, project_imports, sources

# Reads the sources, whatever the database is; in one process, which parses each of them once.
pytestmark = [pytest.mark.sources, pytest.mark.xdist_group("sources")]

# Which apps an app may know; llmplatform wires all of them.
MAY_IMPORT: dict[str, set[str]] = {
    "accounts": set(),
    "providers": {"accounts"},
    "prompts": {"accounts"},
    "knowledge": {"accounts", "providers"},
    "training": {"accounts", "providers"},
    "chat": {"accounts", "providers", "prompts", "knowledge", "training"},
}
PUBLIC_MODULES = {"models", "services", "types", "errors"}
ALSO_PUBLIC = {"accounts.access"}
# The part of llmplatform that knows no app, so that every app may use it.
SHARED = {
    f"llmplatform.{name}"
    for name in (
        *(
            "addresses",
            "arrays",
            "audited_admin",
            "celery",
            "charts",
            "encodings",
            "encryption",
            "env",
            "errands",
            "errors",
            "nudges",
            "schemas",
            "spreadsheets",
        ),
        *("outbound", "sockets", "task_limits", "templatetags.numbers", "text"),
    )
}
EDGES = {"views", "api", "consumers", "tasks", "admin"}
QDRANT = {"qdrant_client", "qdrant_edge"}
DJANGO = {"django", "ninja", "channels", "celery"}


def report(found: Iterable[Import], rule: str) -> str:
    lines = [f"{each.place} imports {each.module}" for each in found]
    return "\n".join([rule, *lines])


def _app(found: Import) -> str:
    return found.source.split(".")[0]


def test_apps_import_only_those_below_them() -> None:
    broken = [
        each
        for each in project_imports(*APPS)
        if each.app in APPS and each.app != _app(each) and each.app not in MAY_IMPORT[_app(each)]
    ]
    assert not broken, report(broken, "An app imports one that it may not know:")


def test_the_allowed_directions_form_no_cycle() -> None:
    left = {app: set(known) for app, known in MAY_IMPORT.items()}
    while left:
        free = [app for app, known in left.items() if not known & left.keys()]
        assert free, f"a cycle between {sorted(left)}"
        for app in free:
            del left[app]


def test_other_apps_see_only_the_public_modules() -> None:
    allowed = {f"{app}.{module}" for app in APPS for module in PUBLIC_MODULES} | ALSO_PUBLIC
    broken = [
        each
        for each in project_imports(*APPS)
        if each.app in APPS and each.app != _app(each) and each.module not in allowed
    ]
    assert not broken, report(broken, "Other apps offer models, services, types and errors only:")


def test_apps_use_only_the_shared_part_of_llmplatform() -> None:
    broken = [
        each
        for each in project_imports(*APPS)
        if each.app == "llmplatform" and each.module not in SHARED
    ]
    assert not broken, report(broken, f"Apps may use {sorted(SHARED)} only:")


def test_the_shared_part_of_llmplatform_knows_no_app() -> None:
    broken = [
        each
        for each in project_imports("llmplatform")
        if each.source in SHARED and each.module not in SHARED
    ]
    assert not broken, report(broken, "Shared modules import an app or the wiring:")


def _edge(module: str) -> str:
    """`training.views.jobs` is part of the edge `training.views`; other modules of none."""
    parts = module.split(".")
    is_edge = len(parts) > 1 and parts[0] in APPS and parts[1] in EDGES
    return ".".join(parts[:2]) if is_edge else ""


def test_no_edge_imports_another_edge() -> None:
    broken = [
        each
        for each in project_imports(*APPS)
        if _edge(each.source) and _edge(each.module) and _edge(each.source) != _edge(each.module)
    ]
    assert not broken, report(broken, "Views, API, consumers, tasks and admin are separate edges:")


def test_services_take_no_page_apart() -> None:
    """What is below the edges never imports an edge, except a service that enqueues a task."""
    lower = {"models", "services", "types", "errors"}
    broken = [
        each
        for each in project_imports(*APPS)
        if each.source.split(".")[1:2]
        and each.source.split(".")[1] in lower
        and _edge(each.module).split(".")[-1] in EDGES - {"tasks"}
    ]
    assert not broken, report(broken, "Models and services import an edge:")


def _imports_any(path: Path, names: set[str]) -> list[Import]:
    return [each for each in imports_of(path) if each.app in names]


def test_the_runner_needs_no_django() -> None:
    """It runs in the training environment, where the web application is not installed."""
    paths = list(sources("training/runner"))
    assert paths
    apps = set(APPS) - {"training"}
    broken = [each for path in paths for each in _imports_any(path, DJANGO | apps)]
    broken += [
        each
        for path in paths
        for each in _imports_any(path, {"training", "llmplatform"})
        if not each.module.startswith("training.runner")
    ]
    assert not broken, report(broken, "The runner imports the web application:")


def test_one_package_knows_the_vector_index() -> None:
    paths = sources(*APPS, "llmplatform")
    broken = [each for path in paths for each in _imports_any(path, QDRANT)]
    broken = [each for each in broken if each.path.parent != ROOT / "knowledge" / "index"]
    assert not broken, report(broken, "Only knowledge/index/ imports Qdrant:")


def _cycle(graph: dict[str, set[str]]) -> list[str]:
    """The modules of one import cycle, or nothing."""
    done: set[str] = set()

    def visit(module: str, trail: list[str]) -> list[str]:
        if module in trail:
            return [*trail[trail.index(module) :], module]
        if module in done:
            return []
        for imported in sorted(graph.get(module, ())):
            found = visit(imported, [*trail, module])
            if found:
                return found
        done.add(module)
        return []

    return next(filter(None, (visit(module, []) for module in sorted(graph))), [])


def test_no_module_imports_itself_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for each in project_imports(*APPS, "llmplatform"):
        # A package's __init__ gathers its modules; an import of the package is one of them all.
        if not each.is_late and each.module != each.source:
            graph.setdefault(each.source, set()).add(each.module)
    cycle = _cycle(graph)
    assert not cycle, "an import cycle: " + " -> ".join(cycle)
