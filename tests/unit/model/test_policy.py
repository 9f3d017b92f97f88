"""Durations as people write them, and how long a retry waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recoup.model.errors import PipelineError
from recoup.model.failure import FailureKind
from recoup.model.policy import Retry, seconds


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("30s", 30),
        ("5m", 300),
        ("1.5h", 5400),
        ("2d", 172_800),
        ("250ms", 0.25),
        (" 10 s ", 10),
        (90, 90),
        (0.5, 0.5),
        (timedelta(minutes=2), 120),
        ("0s", 0),
    ],
)
def test_a_duration(written, meant):
    assert seconds(written) == pytest.approx(meant)


@pytest.mark.parametrize("written", ["", "5", "5 minutes", "-5s", "1e3s", "s", "5m30s", "∞"])
def test_what_is_no_duration(written):
    with pytest.raises(PipelineError, match=r"step 'raw': timeout: .* is no duration") as raised:
        seconds(written, "step 'raw': timeout")
    assert "30s" in raised.value.remedy


@pytest.mark.parametrize("written", [-1, float("inf"), float("nan"), timedelta(seconds=-1)])
def test_a_duration_is_zero_or_more(written):
    with pytest.raises(PipelineError, match="must be zero or more"):
        seconds(written)


def test_the_wait_doubles_up_to_its_maximum():
    retry = Retry(max_attempts=9, initial="30s", max="5m", jitter=0)

    assert [retry.delay(attempt, chance=0.9) for attempt in range(1, 7)] == [30, 60, 120, 240, 300, 300]


def test_jitter_adds_and_never_passes_the_maximum():
    retry = Retry(initial="100s", max="210s", jitter=0.25)

    assert [retry.delay(1, chance) for chance in (0.0, 0.5, 1.0)] == [100, 112.5, 125]
    assert [retry.delay(2, chance) for chance in (0.0, 0.5, 1.0)] == [160, 185, 210]
    assert [retry.delay(9, chance) for chance in (0.0, 1.0)] == [157.5, 210]


def test_where_all_waits_are_the_same_jitter_brings_none_forward():
    assert {Retry(initial="5m", max="5m", jitter=0.5).delay(tries, 0.3) for tries in (1, 2, 3)} == {300}


@given(st.integers(1, 100_000), st.floats(0, 1, exclude_max=True), st.floats(1, 1e6))
def test_no_attempt_waits_longer_than_the_maximum(attempt, chance, multiplier):
    assert 30 <= Retry(multiplier=multiplier).delay(attempt, chance) <= 300


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_attempts": 0},
        {"multiplier": 0.5},
        {"multiplier": float("nan")},
        {"multiplier": float("inf")},
        {"jitter": -0.1},
        {"jitter": 1.1},
        {"initial": "soon"},
        {"max": timedelta(days=-1)},
        {"kinds": {"logic": Retry()}},
        {"kinds": {"nonsense": Retry()}},
    ],
)
def test_a_retry_that_cannot_be(wrong):
    with pytest.raises(PipelineError, match=r"Retry\("):
        Retry(**wrong)


def test_budgets_of_a_kind():
    retry = Retry(max_attempts=5, kinds={"throttled": Retry(max_attempts=20)})
    assert [retry.attempts(FailureKind(kind)) for kind in ("network", "timeout", "lost", "throttled")] == [5, 3, 3, 20]
    assert [retry.budget(FailureKind(kind)) for kind in ("network", "timeout", "throttled")] == [
        None,
        "timeout",
        "throttled",
    ]
    assert Retry(max_attempts=1).attempts(FailureKind.LOST) == 1
