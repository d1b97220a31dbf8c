"""Where things stand in a picture: nothing overlaps, nothing is crossed, whatever the graph."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from d4py_adaptive.dashboard.graph_picture.boxes import Direction
from d4py_adaptive.dashboard.graph_picture.layout import Area, Layout, lay_out
from d4py_adaptive.dashboard.graph_picture.outline import Arrow, Element, Group, Outline, Port
from d4py_adaptive.dashboard.graph_picture.page import page_of
from d4py_adaptive.dashboard.graph_picture.shapes import Line, Path, Point, Rectangle, Ring, Shape, Words

DIRECTIONS: tuple[Direction, ...] = ("right", "down")
directions = pytest.mark.parametrize("direction", DIRECTIONS)


# Random outlines.

NAMES = ("Read", "地震波形", "A name_of many-words.that is somewhat too long for one line", "X" * 60, "i")


def outline_of(count: int, arrows: list[tuple[int, int, int, int]], homes: list[int], around: list[int]) -> Outline:
    """An outline of `count` PEs with three inputs and outputs at most.

    Args:
        arrows: source, output, target, input; a number from `count` on is a composite's, for a loose end.
        homes: the composite of each PE, -1 for none.
        around: the composite around each composite, an earlier one, -1 for none.
    """
    keys = [f"pe{i}" for i in range(count)] + [f"composite{i}" for i in range(len(around))]
    made = tuple(Arrow(keys[s], f"out{o}", keys[t], f"in{i}") for s, o, t, i in arrows)
    into = Counter((arrow.target, arrow.input) for arrow in made)
    out_of = Counter((arrow.source, arrow.output) for arrow in made)

    def element(number: int) -> Element:
        key = keys[number]
        name = NAMES[number % len(NAMES)]
        groupings = ("", "all", "by station, channel")
        inputs = [Port(f"in{i}", into[key, f"in{i}"], groupings[(number + i) % 3]) for i in range(3)]
        outputs = [Port(f"out{i}", out_of[key, f"out{i}"]) for i in range(3)]
        used_in = tuple(port for port in inputs if port.streams or number % 4 == 0)
        used_out = tuple(port for port in outputs if port.streams or number % 3 == 0)
        return Element(key, f"{name}{number}", used_in, used_out, 1 + number % 3)

    def group(number: int) -> Group:
        elements = [element(i) for i in range(count) if homes[i] == number]
        groups = [group(i) for i in range(len(around)) if around[i] == number]
        return Group(keys[count + number] if number >= 0 else "graph", NAMES[number % len(NAMES)], (*groups, *elements))

    return Outline(group(-1), made)


@st.composite
def outlines(draw: st.DrawFn, loops: bool = True) -> Outline:
    """Small outlines with everything: composites within others, loops, loose ends, streams side by side."""
    count = draw(st.integers(1, 9))
    around = [draw(st.integers(-1, i - 1)) for i in range(draw(st.integers(0, 3)))]
    homes = [draw(st.integers(-1, len(around) - 1)) for _ in range(count)]
    ends = st.integers(0, count + len(around) - 1 if loops else count - 1)
    arrows = draw(st.lists(st.tuples(ends, st.integers(0, 2), ends, st.integers(0, 2)), max_size=14))
    if not loops:
        arrows = [(min(s, t), o, max(s, t), i) for s, o, t, i in arrows if s != t]
    return outline_of(count, arrows, homes, around)


def large(count: int, seed: int) -> Outline:
    """A random graph without loops, of neighbours most of all."""
    chosen = random.Random(seed)
    arrows = []
    for target in range(1, count):
        for _ in range(chosen.choice((1, 1, 1, 2))):
            source = max(0, target - chosen.randint(1, 12))
            arrows.append((source, chosen.randint(0, 2), target, chosen.randint(0, 2)))
    return outline_of(count, arrows, [chosen.choice((-1, -1, 0, 1)) for _ in range(count)], [-1, 0])


# Geometry.


def overlap(a: Area, b: Area, slack: float = 0.01) -> bool:
    return (
        a.x + slack < b.x + b.width
        and b.x + slack < a.x + a.width
        and a.y + slack < b.y + b.height
        and b.y + slack < a.y + a.height
    )


def holds(outer: Area, inner: Area) -> bool:
    right, bottom = outer.x + outer.width, outer.y + outer.height
    inside = outer.x < inner.x and outer.y < inner.y
    return inside and inner.x + inner.width < right and inner.y + inner.height < bottom


def is_in(point: Point, area: Area, slack: float = 0.01) -> bool:
    across = area.x + slack < point.x < area.x + area.width - slack
    return across and area.y + slack < point.y < area.y + area.height - slack


def points_of(path: Path, steps: int = 16) -> Iterator[Point]:
    """Points on a path."""
    assert len(path) % 3 == 1
    for number in range(1, len(path), 3):
        a, b, c, d = path[number - 1 : number + 3]
        for step in range(steps + 1):
            t = step / steps
            u = 1 - t
            weights = (u**3, 3 * u * u * t, 3 * u * t * t, t**3)
            x, y = (sum(w * p[i] for w, p in zip(weights, (a, b, c, d), strict=True)) for i in (0, 1))
            yield Point(x, y)


def room_of(shape: Shape) -> tuple[Point, Point]:
    """The corners of the least rectangle around a shape."""
    if isinstance(shape, Rectangle):
        return Point(shape.x, shape.y), Point(shape.x + shape.width, shape.y + shape.height)
    if isinstance(shape, Words):
        left, right = shape.x - shape.width / 2, shape.x + shape.width / 2
        return Point(left, shape.y - 0.73 * shape.size), Point(right, shape.y + 0.17 * shape.size)
    if isinstance(shape, Ring):
        return Point(shape.x, shape.y).moved(-shape.radius, -shape.radius), Point(
            shape.x + shape.radius, shape.y + shape.radius
        )
    points = shape.path if isinstance(shape, Line) else shape.points
    return Point(min(p.x for p in points), min(p.y for p in points)), Point(
        max(p.x for p in points), max(p.y for p in points)
    )


def room_around(shapes: Iterable[Shape]) -> Area:
    rooms = [room_of(shape) for shape in shapes]
    left, top = min(start.x for start, _ in rooms), min(start.y for start, _ in rooms)
    return Area(left, top, max(end.x for _, end in rooms) - left, max(end.y for _, end in rooms) - top)


def corner_of(layout: Layout, key: str) -> Point:
    return Point(layout.areas[key].x, layout.areas[key].y)


def check(outline: Outline, direction: Direction) -> None:
    """Everything that must be so in any picture."""
    layout = lay_out(outline, direction)
    groups = [key for key in layout.areas if key not in layout.boxes]
    rooms = {key: room_around(box.shapes).moved(*corner_of(layout, key)) for key, box in layout.boxes.items()}
    assert set(layout.areas) == outline.around.keys() - {"graph"}
    for a, b in combinations(rooms, 2):
        assert not overlap(rooms[a], rooms[b]), (a, b)
    for group in groups:
        for key in outline.around.keys() - {"graph", group, *outline.around[group]}:
            if group in outline.around[key]:
                assert holds(layout.areas[group], rooms.get(key, layout.areas[key])), (group, key)
            else:
                assert not overlap(layout.areas[group], rooms.get(key, layout.areas[key])), (group, key)
    assert len(set(layout.routes)) == len(layout.routes)
    for arrow, route in zip(outline.arrows, layout.routes, strict=True):
        check_route(arrow, route, outline, layout, rooms, direction)
    check_page(outline, direction)


def check_route(
    arrow: Arrow, route: Path, outline: Outline, layout: Layout, rooms: dict[str, Area], direction: Direction
) -> None:
    """A stream goes from its output to its input, through nothing else."""
    source, target = layout.areas[arrow.source], layout.areas[arrow.target]
    if direction == "down":
        assert (route[0].y, route[-1].y) == pytest.approx((source.y + source.height, target.y))
        assert source.x < route[0].x < source.x + source.width
        assert target.x < route[-1].x < target.x + target.width
    else:
        assert (route[0].x, route[-1].x) == pytest.approx((source.x + source.width, target.x))
        assert source.y < route[0].y < source.y + source.height
        assert target.y < route[-1].y < target.y + target.height
    ends = {arrow.source, arrow.target}
    mine = {*outline.around[arrow.source], *outline.around[arrow.target], *ends}
    foreign = [area for key, area in layout.areas.items() if key not in mine]
    foreign += [rooms[key] for key in rooms.keys() - ends]
    foreign += [layout.areas[key] for key in ends & rooms.keys()]
    for point in points_of(route):
        assert 0 < point.x < layout.width
        assert 0 < point.y < layout.height
        assert not any(is_in(point, area) for area in foreign), (arrow, point)


def check_page(outline: Outline, direction: Direction) -> None:
    """All text can be read: within the page, off other text, and off the streams but for labels, which cover them."""
    page = page_of(outline, "test", direction)
    everything = Area(0, 0, page.width, page.height)
    words = [shape for shape in page.shapes if isinstance(shape, Words)]
    areas = [room_around([word]) for word in words]
    assert all(holds(everything, area) for area in areas)
    for (a, left), (b, right) in combinations(zip(words, areas, strict=True), 2):
        assert not overlap(left, right), (a.text, b.text)
    labels = {port.grouping for element in outline.elements for port in element.inputs}
    titles = [area for word, area in zip(words, areas, strict=True) if word.text not in labels]
    for line in (shape for shape in page.shapes if isinstance(shape, Line)):
        assert not any(is_in(point, area) for point in points_of(line.path) for area in titles)


@directions
@given(outline=outlines())
@settings(max_examples=150, deadline=None)
def test_nothing_overlaps_and_nothing_is_crossed(outline: Outline, direction: Direction) -> None:
    check(outline, direction)


@directions
@pytest.mark.parametrize("seed", [1, 2])
def test_nor_in_a_large_graph(seed: int, direction: Direction) -> None:
    check(large(60, seed), direction)


# What makes it pleasant to look at.


def plain(count: int, arrows: list[tuple[int, int]]) -> Outline:
    """PEs with one input and one output."""
    made = tuple(Arrow(f"pe{s}", "output", f"pe{t}", "input") for s, t in arrows)
    into, out_of = Counter(t for _, t in arrows), Counter(s for s, _ in arrows)
    elements = (
        Element(f"pe{i}", f"PE{i}", (Port("input", into[i]),), (Port("output", out_of[i]),), 1) for i in range(count)
    )
    return Outline(Group("graph", "graph", tuple(elements)), made)


def middles(outline: Outline) -> list[float]:
    """The middle of each PE, across, with streams that go down."""
    areas = lay_out(outline, "down").areas
    return [areas[pe.key].x + areas[pe.key].width / 2 for pe in outline.elements]


def levels(outline: Outline) -> list[float]:
    areas = lay_out(outline, "down").areas
    return [areas[pe.key].y for pe in outline.elements]


def test_a_chain_is_straight() -> None:
    assert len({round(x, 6) for x in middles(plain(100, [(i, i + 1) for i in range(99)]))}) == 1


@pytest.mark.parametrize("readers", [2, 3, 4, 9])
def test_what_is_read_by_several_and_joined_again_is_in_the_middle(readers: int) -> None:
    arrows = [(0, i) for i in range(1, readers + 1)] + [(i, readers + 1) for i in range(1, readers + 1)]
    first, *between, last = middles(plain(readers + 2, arrows))
    assert first == last == pytest.approx((between[0] + between[-1]) / 2)
    assert between == sorted(between)


def test_streams_are_disentangled() -> None:
    x = middles(plain(6, [(0, 5), (1, 4), (2, 3), (0, 4), (1, 3)]))
    assert (x[0] < x[1] < x[2]) == (x[5] < x[4] < x[3])


def test_a_stream_that_passes_others_is_straight() -> None:
    outline = plain(5, [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)])
    passing = lay_out(outline, "down").routes[4]
    areas = lay_out(outline, "down").areas
    between = [point.x for point in passing if areas["pe1"].y <= point.y <= areas["pe3"].y + areas["pe3"].height]
    assert len({round(x, 6) for x in between}) == 1


def test_a_source_is_near_what_it_feeds() -> None:
    y = levels(plain(6, [(0, 1), (1, 2), (2, 3), (3, 4), (5, 4)]))
    assert y[5] == y[3]


def test_what_is_not_connected_stands_side_by_side() -> None:
    x = middles(plain(6, [(0, 1), (2, 3), (4, 5)]))
    assert [x[0], x[2], x[4]] == [x[1], x[3], x[5]] == sorted(x[::2])
    assert len(set(levels(plain(6, [(0, 1), (2, 3), (4, 5)])))) == 2


def test_a_loop_starts_where_the_user_started() -> None:
    assert sorted(levels(plain(3, [(0, 1), (1, 2), (2, 0)]))) == levels(plain(3, [(0, 1), (1, 2), (2, 0)]))


def test_many_that_are_alone_stand_in_rows() -> None:
    layout = lay_out(plain(100, []), "down")
    assert layout.width < 1200
    assert layout.height < 1200
