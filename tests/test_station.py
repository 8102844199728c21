"""A station keeps the order of its work, and lets nothing overtake what went wrong."""

from __future__ import annotations

import threading

import pytest

from monitor.station import Station


def test_things_are_done_in_order_on_one_thread_beside_the_caller() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[tuple[int, int]] = []

    def act(number: int) -> int:
        begun.set()
        assert go_on.wait(5)
        done.append((number, threading.get_ident()))
        return number * 2

    with Station[int, int]("doubling", act) as station:
        results = [station.submit(number) for number in range(20)]
        assert begun.wait(5), "it works while the caller goes on"
        go_on.set()
    assert [result.result() for result in results] == [number * 2 for number in range(20)]
    assert [number for number, _ in done] == list(range(20))
    assert len({thread for _, thread in done} - {threading.get_ident()}) == 1


def test_after_one_that_fails_nothing_more_is_done() -> None:
    done: list[int] = []

    def act(number: int) -> int:
        done.append(number)
        return 6 // number

    with Station[int, int]("dividing", act) as station:
        results = [station.submit(number) for number in (3, 2, 0, 1)]
    assert [result.result() for result in (results[0], results[1], results[3])] == [2, 3, None]
    with pytest.raises(ZeroDivisionError):
        results[2].result()
    assert done == [3, 2, 0]


def test_after_one_that_comes_to_nothing_nothing_more_is_done() -> None:
    with Station[int | None, int]("passing on", lambda what: what) as station:
        assert [station.submit(what).result() for what in (1, None, 2)] == [1, None, None]
