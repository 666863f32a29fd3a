"""Orders and frames between worker and runner."""

import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.run.plans import CELL, candidate

from manyfit.contracts.executor import Work, WorkTask
from manyfit.model.keys import task_key
from manyfit.model.segment import SegmentHeader
from manyfit.model.sweep import Limits
from manyfit.model.unit import Mode
from manyfit.run.messages import (
    LENGTH,
    Frame,
    Kind,
    Order,
    encode_result,
    order_from_json,
    order_to_json,
    pack_frame,
    started_frame_of,
    started_indices,
    take_frames,
)

HEADER = SegmentHeader(
    sweep="s",
    executor="m:f",
    spec={"a": [1, 2.5, None], "b": {"c": "é"}},
    folder="/x y",
    fingerprints={"": "ab"},
    metrics=("accuracy",),
    limits=Limits(time_seconds=1.5, memory_bytes=7, attempts=2),
    priority=20,
    supersedes={"failed": 3},
)


def work_of(n_tasks, **changes):
    tasks = [
        WorkTask(index=n, key=task_key(c.key, CELL.key), candidate=c, cell=CELL)
        for n, c in ((n, candidate({"n": n // 2, "C": 0.1})) for n in range(n_tasks))
    ]
    return replace(Work(header=HEADER, mode=Mode.FIT, tasks=tasks, inputs={}), **changes)


def test_an_order_comes_back_equal():
    """Everything in an order survives the pipe: header, mode, tasks, keys, inputs."""
    order = Order(serial=7, segment="ab", work=work_of(5, mode=Mode.SCORE, inputs={3: {"predictions": "x"}}))
    message = order_to_json(order, with_header=True)
    assert LENGTH.unpack_from(message)[0] == len(message) - LENGTH.size
    assert order_from_json(message[LENGTH.size :], {}) == order


def test_the_header_is_sent_once():
    """A later order of the same segment takes the header of the first."""
    headers = {}
    first = Order(serial=1, segment="ab", work=work_of(1))
    order_from_json(order_to_json(first, with_header=True)[LENGTH.size :], headers)
    message = order_to_json(replace(first, serial=2), with_header=False)
    assert b"supersedes" not in message
    assert order_from_json(message[LENGTH.size :], headers).work.header == HEADER


def test_candidates_and_cells_are_sent_once():
    """Tasks are positions: what they share stands in an order only once."""
    value = json.loads(
        order_to_json(Order(serial=1, segment="a", work=work_of(8)), with_header=True)[LENGTH.size :]
    )
    assert len(value["candidates"]) == 4
    assert len(value["cells"]) == 1


frames = st.lists(
    st.builds(
        Frame,
        st.sampled_from([Kind.RESULT, Kind.FAILED, Kind.COMPLETE]),
        st.integers(0, 2**32 - 1),
        st.binary(max_size=50),
    )
)


@given(frames, st.integers(1, 20))
def test_frames_survive_any_cutting(sent, size):
    """However the pipe cuts the bytes, the same frames come out, in order and without a rest."""
    stream = b"".join(pack_frame(frame) for frame in sent)
    buffer, received = bytearray(), []
    for start in range(0, len(stream), size):
        buffer += stream[start : start + size]
        received += take_frames(buffer)
    assert received == sent
    assert not buffer


@given(st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=5))
def test_groups_of_started_tasks(indices):
    """A started frame names every task of the group."""
    assert started_indices(started_frame_of(indices)) == tuple(indices)


def test_a_torn_frame_is_no_frame():
    """What the death of a runner cut off stays in the buffer."""
    buffer = bytearray(pack_frame(Frame(Kind.RESULT, 1, b"{}")) + pack_frame(Frame(Kind.RESULT, 2, b"{}"))[:-1])
    assert [frame.number for frame in take_frames(buffer)] == [1]


def test_undefined_metrics_become_null():
    """NaN and infinities never stand in a result line, NumPy values stand there as plain numbers."""
    numpy = pytest.importorskip("numpy")
    value = {"a": math.nan, "b": [math.inf, 1.5], "c": numpy.float64(2.5), "d": numpy.int64(3), "e": numpy.ones(2)}
    assert json.loads(encode_result(value)) == {"a": None, "b": [None, 1.5], "c": 2.5, "d": 3, "e": [1.0, 1.0]}


def test_a_value_that_is_no_json_is_named():
    """The message of the error names the type."""
    with pytest.raises(TypeError, match="complex"):
        encode_result({"a": 1j})
