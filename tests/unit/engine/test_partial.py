import recoup as rc
from recoup.engine.partial import Partial, partial
from tests.unit.engine.test_insight import DAYS, chain, days, look, state


def test_dates_that_lack_the_same_stand_together():
    sink = rc.DuckDB("out.duckdb", table="clean", key=["dt"])
    there = DAYS - days(3, 4, 9)
    found = look(
        chain(sink), raw=state(DAYS - days(9, 20)), clean=state(there), **{"clean@out.clean": state(there - days(5))}
    )
    assert partial(found) == (
        Partial(days(3, 4), ("raw",), ("clean",)),
        Partial(days(5), ("raw", "clean"), ("clean@out.clean",)),
        Partial(days(20), ("clean",), ("raw",)),
    )


def test_what_is_at_work_or_has_nothing_or_everything_is_not_partial():
    assert partial(look(chain())) == ()
    assert partial(look(chain(), raw=state(), clean=state())) == ()
    assert partial(look(chain(), clean=state(DAYS - days(3, 4), running=days(3)))) == (
        Partial(days(4), ("raw",), ("clean",)),
    )
