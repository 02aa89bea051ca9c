"""The executor that works within submit."""

from __future__ import annotations

import pytest

from jomon.sklearn.serial import SerialExecutor


def test_a_future_is_done_when_it_is_given():
    with SerialExecutor() as executor:
        future = executor.submit(divmod, 7, 3)
        assert future.done()
        assert future.result() == (2, 1)


def test_what_a_call_raises_is_raised_by_its_future():
    future = SerialExecutor().submit(divmod, 1, 0)
    with pytest.raises(ZeroDivisionError):
        future.result()


def test_an_interrupt_leaves_at_once():
    def interrupt():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SerialExecutor().submit(interrupt)
