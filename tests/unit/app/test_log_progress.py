"""How sparse a log tells how far it is."""

import pytest

from recoup.app.log_progress import milestones


@pytest.mark.parametrize(
    ("total", "done", "told"),
    [
        (0, 0, []),
        (1, 1, [1]),
        (3, 2, [1, 2]),
        (11, 11, [2, 4, 6, 8, 10, 11]),
        (327, 327, [50, 100, 150, 200, 250, 300, 327]),
        (327, 99, [50]),
        (100_000, 100_000, [*range(10_000, 110_000, 10_000)]),
    ],
)
def test_round_numbers_and_the_end(total, done, told):
    moments = [float(n) for n in range(1, done + 1)]
    assert list(milestones(total, moments)) == [(k, float(k)) for k in told]
