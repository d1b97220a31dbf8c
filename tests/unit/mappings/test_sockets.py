"""Frames over a socket that never blocks; both ends in this process."""

import socket
from collections.abc import Iterator
from typing import Any

import pytest

from d4py_adaptive.errors import WireError
from d4py_adaptive.mappings.sockets import Connection, message, read_message
from d4py_adaptive.wire.encoding import Encoded
from d4py_adaptive.wire.frame import Frame, Kind


@pytest.fixture
def ends() -> Iterator[tuple[Connection, Connection]]:
    left, right = socket.socketpair()
    with left, right:
        yield Connection(left), Connection(right)


def frame(first: int, *buffers: bytes, body: bytes = b"body") -> Frame:
    item = Encoded(body, buffers, len(body) + sum(map(len, buffers)))
    return Frame(Kind.DATA, 1, 2, first, ports=[0], items=[item])


def contents(frames: list[Frame]) -> list[tuple[int, bytes, list[bytes]]]:
    return [(f.first, bytes(f.items[0].body), list(map(bytes, f.items[0].buffers))) for f in frames]


def exchange(sender: Connection, receiver: Connection) -> list[Frame]:
    frames = []
    while sender.waiting:
        frames += receiver.receive()
        sender.push()
    return frames + receiver.receive_last()


def test_small_frames_arrive_in_order(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    for first in range(300):
        left.send(frame(first))
    assert [f.first for f in exchange(left, right)] == list(range(300))
    assert not left.waiting


def test_both_directions_are_independent(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    left.send(frame(1))
    right.send(frame(2))
    assert [f.first for f in left.receive()] == [2]
    assert [f.first for f in right.receive()] == [1]


def test_what_does_not_fit_waits_and_goes_on_where_it_stopped(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    big = [bytes([n]) * 1_000_003 for n in range(3)]
    for n in range(3):
        left.send(frame(n, big[n], b"small", big[n][:300_000]))
    assert left.waiting
    got = exchange(left, right)
    assert contents(got) == [(n, b"body", [big[n], b"small", big[n][:300_000]]) for n in range(3)]
    assert isinstance(got[0].items[0].buffers[0], bytearray)


def test_very_many_pieces_go_in_several_sends(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    left.send(frame(0, *(bytes([n % 256]) for n in range(500))))
    assert contents(exchange(left, right)) == [(0, b"body", [bytes([n % 256]) for n in range(500)])]


def test_empty_pieces_do_not_stop_anything(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    left.send(frame(0, b"", b"x", b"", body=b""))
    assert contents(exchange(left, right)) == [(0, b"", [b"", b"x", b""])]


def test_nothing_to_receive_is_no_frames(ends: tuple[Connection, Connection]) -> None:
    left, _ = ends
    assert left.receive() == []
    assert not left.closed
    assert left.fileno() > 0


def test_reading_stops_after_so_many_pieces_so_that_others_have_their_turn(
    ends: tuple[Connection, Connection],
) -> None:
    left, right = ends
    left.send(frame(0, bytes(150_000)))
    got = right.receive(at_most=1)
    while not got:
        left.push()
        got = right.receive(at_most=1)
    assert got[0].first == 0


def test_the_end_of_the_other_side_is_noticed_when_reading(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    left.send(frame(0))
    left.close()
    assert [f.first for f in right.receive()] == [0]
    right.receive()
    assert right.closed


def test_what_is_sent_to_nobody_is_dropped(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    right.close()
    for first in range(3):
        left.send(frame(first))
    assert left.broken
    assert not left.waiting


def test_what_the_other_end_said_before_it_went_is_heard_after_a_send_failed(
    ends: tuple[Connection, Connection],
) -> None:
    left, right = ends
    right.send(frame(7))
    right.close()
    left.send(frame(0))
    assert left.broken
    assert [f.first for f in left.receive_last()] == [7]


def test_the_last_words_may_be_long(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    for first in range(40):
        left.send(frame(first, bytes(1000)))
    assert not left.waiting
    left.close()
    assert [f.first for f in right.receive_last()] == list(range(40))
    assert right.closed


def test_bytes_that_are_no_frame_are_an_error() -> None:
    left, right = socket.socketpair()
    with left, right:
        left.sendall(b"GET / HTTP/1.1\r\n" * 10)
        with pytest.raises(WireError, match=r"^a frame starts with b'd4py' and version 2; got b'GET '"):
            Connection(right).receive()


@pytest.mark.parametrize("values", [("stop",), ("line", "A[0]", "text"), ("event", {"n": 1})])
def test_messages_there_and_back(ends: tuple[Connection, Connection], values: tuple[Any, ...]) -> None:
    left, right = ends
    left.send(message(*values))
    (got,) = right.receive()
    assert (got.kind, read_message(got)) == (Kind.CONTROL, values)


def test_a_message_may_carry_bytes_of_any_length(ends: tuple[Connection, Connection]) -> None:
    left, right = ends
    left.send(message("job", payload=b"x" * 700_000))
    (got,) = exchange(left, right)
    assert read_message(got) == ("job",)
    assert bytes(got.items[0].buffers[0]) == b"x" * 700_000
