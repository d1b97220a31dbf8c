"""A graph in Graphviz's dot language; composites are clusters."""

from __future__ import annotations

from collections.abc import Iterator

from d4py_adaptive.dashboard.graph_picture import style
from d4py_adaptive.dashboard.graph_picture.boxes import Direction
from d4py_adaptive.dashboard.graph_picture.outline import Arrow, Element, Group, Outline, written_names


def dot(outline: Outline, title: str, direction: Direction) -> str:
    """The graph as dot text."""
    elements = {element.key: element for element in outline.elements}
    loose = {end for arrow in outline.arrows for end in (arrow.source, arrow.target)} - elements.keys()
    text = [
        f"digraph {_quoted(title)} {{",
        f"  compound=true; rankdir={'LR' if direction == 'right' else 'TB'};",
        '  graph [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=10, style="rounded,filled"];',
        '  node [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=11, shape=box, style="rounded,filled"];',
        '  edge [fontname="DejaVu Sans,Verdana,sans-serif", fontsize=9, arrowsize=0.8];',
    ]
    for member in outline.root.members:
        text += [f"  {line}" for line in _member(member, loose, 0)]
    text += [f"  {_edge(arrow, elements)}" for arrow in outline.arrows]
    return "\n".join([*text, "}", ""])


def _member(member: Element | Group, loose: set[str], depth: int) -> Iterator[str]:
    if isinstance(member, Element):
        yield from _node(member)
        return
    fill, line = style.GROUPS[depth % len(style.GROUPS)]
    yield f"subgraph cluster_{member.key} {{"
    yield f'  label={_quoted(member.name)}; labeljust=l; fillcolor="{fill}"; color="{line}";'
    if member.key in loose or not member.members:
        # A cluster that is empty would not be drawn, and only a node can be the end of an edge.
        yield f'  {member.key} [shape=point, style=invis, label=""];'
    for inner in member.members:
        yield from (f"  {line}" for line in _member(inner, loose, depth + 1))
    yield "}"


def _node(element: Element) -> Iterator[str]:
    fill, line = style.SOURCE if element.is_source else style.SINK if element.is_sink else style.INNER
    label = element.id + (f" {style.TIMES}{element.numprocesses}" if element.numprocesses > 1 else "")
    yield f'{element.key} [label={_quoted(label)}, fillcolor="{fill}", color="{line}"];'
    for number, (port, name) in enumerate(zip(element.outputs, written_names(element.outputs), strict=True)):
        if not port.streams:
            end = f"{element.key}_result{number}"
            yield f'{end} [shape=circle, width=0.1, style=solid, label=""];'
            yield f"{element.key} -> {end} [arrowhead=none{_attribute('taillabel', name)}];"


def _edge(arrow: Arrow, elements: dict[str, Element]) -> str:
    attributes = ""
    if arrow.source in elements:
        ports = elements[arrow.source].outputs
        names = {port.name: name for port, name in zip(ports, written_names(ports), strict=True)}
        attributes += _attribute("taillabel", names[arrow.output])
    else:
        attributes += f", ltail=cluster_{arrow.source}"
    if arrow.target in elements:
        ports = elements[arrow.target].inputs
        names = {port.name: name for port, name in zip(ports, written_names(ports), strict=True)}
        groupings = {port.name: port.grouping for port in ports}
        attributes += _attribute("headlabel", names[arrow.input]) + _attribute("label", groupings[arrow.input])
    else:
        attributes += f", lhead=cluster_{arrow.target}"
    return f"{arrow.source} -> {arrow.target}" + (f" [{attributes[2:]}];" if attributes else ";")


def _attribute(name: str, value: str) -> str:
    return f", {name}={_quoted(value)}" if value else ""


def _quoted(text: str) -> str:
    escaped = text.replace("&", "&amp;").replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
