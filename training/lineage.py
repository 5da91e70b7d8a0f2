"""Where a version comes from and where it went: a graph, and its picture's coordinates."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field

from django.urls import reverse
from django.utils.translation import gettext as _

from llmplatform.text import enumerated
from training.models import BaseModel, Deployment, ModelVersion, Status

ANCESTORS_MAX = 6
SHOWN_MAX = 6
WIDTH, HEIGHT, GAP_X, GAP_Y, MARGIN = 160, 54, 36, 18, 4
TITLE_WIDTH, DETAIL_WIDTH = 18, 22


@dataclass
class GraphNode:
    """`id` is kind and key; `is_here`: more than a record of it is left."""

    id: str
    kind: str
    title: str
    detail: str = ""
    url: str = ""
    is_here: bool = True
    is_focus: bool = False


@dataclass
class Graph:
    nodes: dict[str, GraphNode] = field(default_factory=dict)
    edges: list[tuple[str, str]] = field(default_factory=list)

    def add(self, node: GraphNode) -> str:
        self.nodes.setdefault(node.id, node)
        return node.id

    def join(self, start: str, end: str) -> None:
        if (start, end) not in self.edges:
            self.edges.append((start, end))


def graph_of(version: ModelVersion) -> Graph:
    graph = Graph()
    _add_history(graph, version, ANCESTORS_MAX)
    graph.nodes[f"version-{version.pk}"].is_focus = True
    _add_uses(graph, version)
    return graph


def _version_node(version: ModelVersion) -> GraphNode:
    labels = enumerated(version.labels)
    detail = labels or (_("Adapter") if version.is_adapter else _("Whole model"))
    url = reverse("models:detail", args=[version.pk])
    return GraphNode(f"version-{version.pk}", "version", version.title, detail, url)


def _add_history(graph: Graph, version: ModelVersion, depth: int) -> str:
    """The version with its training, data and what it was trained on from; its id."""
    me = graph.add(_version_node(version))
    job = graph.add(_job_node(version))
    graph.join(job, me)
    graph.join(graph.add(_dataset_node(version)), job)
    if version.parent is not None and depth:
        graph.join(_add_history(graph, version.parent, depth - 1), job)
    else:
        graph.join(_add_base(graph, version, depth), job)
    return me


def _add_base(graph: Graph, version: ModelVersion, depth: int) -> str:
    base = version.base_model
    known = version.lineage
    if base is None:
        name = str(known.get("base_model") or "–")
        return graph.add(
            GraphNode(f"base_model-of-{version.pk}", "base_model", name, is_here=False)
        )
    me = graph.add(_base_node(base))
    if base.source_version is not None and depth:
        graph.join(_add_history(graph, base.source_version, depth - 1), me)
    return me


def _base_node(base: BaseModel) -> GraphNode:
    url = reverse("models:base", args=[base.pk])
    return GraphNode(f"base_model-{base.pk}", "base_model", base.name, base.hub_id, url)


def _dataset_node(version: ModelVersion) -> GraphNode:
    known = version.lineage
    sha256 = str(known.get("dataset_sha256") or "")
    title = str(known.get("dataset") or "–")
    dataset = version.job.dataset if version.job is not None else None
    if dataset is None:
        key = f"dataset-{sha256[:16]}-of-{version.pk}"
        return GraphNode(key, "dataset", title, sha256[:12], is_here=False)
    url = reverse("datasets:detail", args=[dataset.pk])
    return GraphNode(f"dataset-{dataset.pk}", "dataset", dataset.name, dataset.sha256[:12], url)


def _job_node(version: ModelVersion) -> GraphNode:
    job, known = version.job, version.lineage
    how = " · ".join(str(known[name]) for name in ("stage", "method") if known.get(name))
    if job is None:
        title = _("The training was deleted.")
        return GraphNode(f"job-of-{version.pk}", "job", title, how, is_here=False)
    url = reverse("training:detail", args=[job.pk])
    return GraphNode(f"job-{job.pk}", "job", job.name, how, url)


def _add_uses(graph: Graph, version: ModelVersion) -> None:
    me = f"version-{version.pk}"
    for export in version.exports.filter(status=Status.SUCCESS).order_by("-created_at")[:SHOWN_MAX]:
        node = GraphNode(
            f"export-{export.pk}",
            "export",
            export.get_format_display(),
            "",
            reverse("models:detail", args=[version.pk]) + "#exports",
            is_here=export.is_here,
        )
        graph.join(me, graph.add(node))
    for base in version.base_models.all()[:SHOWN_MAX]:
        graph.join(me, graph.add(_base_node(base)))
    for child in version.children.select_related("family", "job", "base_model")[:SHOWN_MAX]:
        job = graph.add(_job_node(child))
        graph.join(me, job)
        graph.join(job, graph.add(_version_node(child)))
    for deployment in _shown_deployments(version):
        _add_deployment(graph, me, deployment)


def _shown_deployments(version: ModelVersion) -> Iterator[Deployment]:
    """Those that are there; else the newest that was."""
    rows = version.deployments.select_related("node").order_by("-created_at")
    there = list(rows.unfinished()[:SHOWN_MAX])
    yield from there or rows[:1]


def _add_deployment(graph: Graph, version_id: str, deployment: Deployment) -> None:
    place = deployment.node.name if deployment.node else ""
    detail = " · ".join(part for part in (deployment.state_label, place) if part)
    me = graph.add(
        GraphNode(
            f"deployment-{deployment.pk}",
            "deployment",
            deployment.name,
            detail,
            reverse("models:detail", args=[deployment.version_id]) + "#deployment-title",
            is_here=not deployment.is_final,
        )
    )
    graph.join(version_id, me)


def columns_of(graph: Graph) -> dict[str, int]:
    """Each node as far right as the longest way to it is long."""
    before: dict[str, list[str]] = {node: [] for node in graph.nodes}
    for start, end in graph.edges:
        before[end].append(start)
    found: dict[str, int] = {}

    def place(node: str) -> int:
        if node not in found:
            found[node] = 0  # in a circle, which there is none of, it would end here
            found[node] = 1 + max((place(each) for each in before[node]), default=-1)
        return found[node]

    for node in graph.nodes:
        place(node)
    after: dict[str, list[str]] = {node: [] for node in graph.nodes}
    for start, end in graph.edges:
        after[start].append(end)
    # What nothing leads to stands right before what it is used for.
    for node in graph.nodes:
        if not before[node] and after[node]:
            found[node] = min(found[each] for each in after[node]) - 1
    return found


@dataclass(frozen=True)
class Box:
    node: GraphNode
    x: int
    y: int
    title: str
    detail: str

    @property
    def text_x(self) -> int:
        return self.x + 12

    @property
    def title_y(self) -> int:
        return self.y + (23 if self.detail else 32)

    @property
    def detail_y(self) -> int:
        return self.y + 41


@dataclass(frozen=True)
class Picture:
    """Sizes in pixels; `curves` are paths of SVG."""

    width: int
    height: int
    boxes: list[Box]
    curves: list[str]
    box_width: int = WIDTH
    box_height: int = HEIGHT


def picture_of(graph: Graph) -> Picture:
    columns = columns_of(graph)
    stacks: dict[int, list[GraphNode]] = {}
    for node in graph.nodes.values():
        stacks.setdefault(columns[node.id], []).append(node)
    tallest = max(len(stack) for stack in stacks.values())
    height = tallest * (HEIGHT + GAP_Y) - GAP_Y + 2 * MARGIN
    boxes: dict[str, Box] = {}
    for column, stack in stacks.items():
        top = (height - (len(stack) * (HEIGHT + GAP_Y) - GAP_Y)) // 2
        for row, node in enumerate(stack):
            boxes[node.id] = Box(
                node,
                MARGIN + column * (WIDTH + GAP_X),
                top + row * (HEIGHT + GAP_Y),
                shortened(node.title, TITLE_WIDTH),
                shortened(node.detail, DETAIL_WIDTH),
            )
    width = (max(stacks) + 1) * (WIDTH + GAP_X) - GAP_X + 2 * MARGIN
    curves = [_curve(boxes[start], boxes[end]) for start, end in graph.edges]
    return Picture(width, height, list(boxes.values()), curves)


def _curve(start: Box, end: Box) -> str:
    x1, y1 = start.x + WIDTH, start.y + HEIGHT // 2
    x2, y2 = end.x, end.y + HEIGHT // 2
    middle = (x1 + x2) // 2
    return f"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}"


def shortened(text: str, width: int) -> str:
    """At most `width` columns; a Chinese character takes two."""
    used, kept = 0, ""
    for character in text:
        used += 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if used > width:
            return kept.rstrip() + "…"
        kept += character
    return kept
