"""Declarations: plain functions become steps, arguments become inputs, and what cannot be is refused in a sentence."""

import functools
from datetime import UTC, datetime

import pytest

import recoup as rc
from recoup.model.errors import ExitCode, PipelineError
from recoup.model.pipeline import Input
from recoup.model.relation import Same, Span, Within

DAYS = rc.Daily("2013-01-01", "2013-12-31")
HOURS = rc.Hourly("2013-01-01", "2013-12-31")
MONTHS = rc.Monthly("2013-01", "2013-12")


@pytest.fixture
def flights():
    return rc.Pipeline("flights", partitions=DAYS)


def refused(message):
    """One clear sentence that names the place, with a remedy, and exit code 2."""

    class Refused:
        def __enter__(self):
            self.raises = pytest.raises(PipelineError, match=message)
            self.info = self.raises.__enter__()

        def __exit__(self, *error):
            answer = self.raises.__exit__(*error)
            assert self.info.value.remedy
            assert "\n" not in self.info.value.message
            assert self.info.value.exit_code is ExitCode.USAGE
            return answer

    return Refused()


# ------------------------------------------------------------------------------------------------ steps


def test_a_step_is_the_function_that_it_was(flights):
    @flights.step
    def raw(ctx, *, factor=2):
        """Make it."""
        return ctx * factor

    assert raw(21) == 42
    assert raw(2, factor=5) == 10
    assert (raw.__name__, raw.__doc__) == ("raw", "Make it.")
    assert flights.steps == {"raw": raw}


def test_options_of_a_step(flights):
    retry = rc.Retry(max_attempts=2)

    @flights.step(
        name="raw-flights", partitions=MONTHS, retry=retry, pool="api", timeout="5m", version="3", uses=[1], label="Raw"
    )
    def raw(ctx): ...

    assert raw.name == "raw-flights"
    assert flights.steps["raw-flights"] is raw
    assert (raw.partitions, raw.retry, raw.pool, raw.timeout_seconds) == (MONTHS, retry, "api", 300)
    assert (raw.version, raw.uses, raw.label) == ("3", (1,), "Raw")


def test_what_a_step_is_by_default(flights):
    @flights.step
    def raw(ctx): ...

    assert raw.partitions is DAYS
    assert (raw.retry, raw.pool, raw.timeout_seconds, raw.version) == (rc.Retry(), None, 3600, None)
    assert raw.inputs == {}


def test_what_a_pipeline_says_holds_for_steps_that_say_nothing():
    patient = rc.Retry(max_attempts=7)
    made = rc.Pipeline("made", partitions=DAYS, retry=patient, timeout="2h")
    usual = made.step(name="usual")(lambda ctx: None)
    own = made.step(name="own", retry=rc.Retry(1), timeout="5s")(lambda ctx: None)

    assert (usual.retry, usual.timeout_seconds) == (patient, 7200)
    assert (own.retry, own.timeout_seconds) == (rc.Retry(1), 5)


def test_steps_stand_in_the_order_of_their_declaration(flights):
    for name in "zba":
        flights.step(name=name)(lambda ctx: None)
    assert list(flights.steps) == ["z", "b", "a"]


# ------------------------------------------------------------------------------------------------ inputs


def test_arguments_are_inputs(flights):
    feed = rc.Source("feed", DAYS, probe=lambda key: True)

    @flights.step
    def raw(ctx): ...

    @flights.step
    def clean(  # one of each kind
        ctx,
        raw,
        same=raw,
        before=rc.lookback(raw, days=7, complete=0.8),
        until=rc.trailing(raw, days=7),
        feed=feed,
        factor=2,
        *,
        table="delays",
    ): ...

    assert clean.inputs == {
        "raw": Input("raw", Same()),
        "same": Input("raw", Same()),
        "before": Input("raw", Span(7), 0.8),
        "until": Input("raw", Span(7, trailing=True)),
        "feed": Input("feed", Same()),
    }
    assert clean.given == {"feed": feed}


def test_the_first_argument_is_the_context_whatever_its_name(flights):
    @flights.step
    def clean(anything, raw): ...

    assert list(clean.inputs) == ["raw"]


def test_finer_partitions_are_read_with_within(flights):
    hours = rc.within(rc.Source("weather", HOURS, probe=lambda key: True), complete=0.75)

    @flights.step
    def clean(ctx, weather=hours): ...

    assert clean.inputs == {"weather": Input("weather", Within(), 0.75)}


@pytest.mark.parametrize(
    ("partitions", "length", "count"),
    [
        (DAYS, {"days": 7}, 7),
        (HOURS, {"hours": 3}, 3),
        (HOURS, {"days": 2}, 48),
        (MONTHS, {"months": 12}, 12),
    ],
)
def test_how_far_a_lookback_reaches(partitions, length, count):
    source = rc.Source("feed", partitions, probe=lambda key: True)

    assert rc.lookback(source, **length).relation == Span(count)
    assert rc.trailing(source, **length).relation == Span(count, trailing=True)


@pytest.mark.parametrize(
    ("partitions", "length", "message"),
    [
        (DAYS, {}, "lookback on 'feed': say how far"),
        (DAYS, {"days": 7, "hours": 1}, "lookback on 'feed': say how far"),
        (DAYS, {"days": -7}, "lookback on 'feed': say how far"),
        (DAYS, {"days": 1.5}, "lookback on 'feed': say how far"),
        (DAYS, {"hours": 7}, "its partitions are days, not hours"),
        (MONTHS, {"days": 7}, "its partitions are months, not days"),
        (rc.Static(["acme"]), {"days": 7}, "are not in time"),
    ],
)
@pytest.mark.parametrize("reading", [rc.lookback, rc.trailing])
def test_a_lookback_that_cannot_be(reading, partitions, length, message):
    source = rc.Source("feed", partitions, probe=lambda key: True)

    with refused(message):
        reading(source, **length)


@pytest.mark.parametrize("complete", [-0.1, 1.1, 80, float("nan"), "0.8"])
def test_a_share_lies_between_none_and_all(complete):
    source = rc.Source("feed", DAYS, probe=lambda key: True)

    for reading in (rc.lookback, rc.trailing):
        with refused("is no share"):
            reading(source, days=1, complete=complete)
    with refused("is no share"):
        rc.within(source, complete=complete)


@pytest.mark.parametrize("of", ["clean", None, DAYS, lambda ctx: None])
def test_only_steps_and_sources_can_be_read(of):
    with refused("is no step, source or dataset"):
        rc.lookback(of, days=1)
    with refused("is no step, source or dataset"):
        rc.within(of)


def test_a_function_that_is_no_step(flights):
    def without(): ...
    def keywords_only(*, ctx): ...
    def any_keywords(**inputs): ...

    for function in (without, keywords_only, any_keywords):
        with refused(f"step '{function.__name__}' has no first argument for its context"):
            flights.step(function)
    assert flights.steps == {}


def test_inputs_that_have_no_name(flights):
    def starred(ctx, *inputs): ...
    def double(ctx, **inputs): ...
    def positional(ctx, raw, /): ...

    for function, argument in ((starred, r"\*inputs"), (double, r"\*\*inputs"), (positional, "raw")):
        with refused(f"step '{function.__name__}': {argument} cannot name an input"):
            flights.step(function)


# ------------------------------------------------------------------------------------------------ names


def test_two_steps_of_one_name(flights):
    @flights.step
    def raw(ctx): ...

    with refused("pipeline 'flights' has two steps named 'raw'"):
        flights.step(name="raw")(lambda ctx: None)
    assert flights.steps["raw"] is raw


BAD_NAMES = ["../up", "a/b", "nul\0", "1st", "", " ", "a b", "ä", "_raw", "x" * 101, "-a", "a.b", "a\n", 5, None]


@pytest.mark.parametrize("name", [*BAD_NAMES, "a@b", "{partition}"])
def test_a_name_that_cannot_be_a_folder(name, flights):
    with refused("pipeline name .* cannot be used"):
        rc.Pipeline(name, partitions=DAYS)
    with refused("source name .* cannot be used"):
        rc.Source(name, DAYS, probe=lambda key: True)
    with refused("as-of mode name .* cannot be used"):
        flights.as_of(name)
    if name:
        with refused("step name .* cannot be used"):
            flights.step(name=name)(lambda ctx: None)


def test_a_long_name_is_shown_in_part():
    with pytest.raises(PipelineError) as raised:
        rc.Pipeline("x" * 10_000, partitions=DAYS)
    assert len(raised.value.message) < 150


@pytest.mark.parametrize("name", ["a", "Raw-flights_2", "x" * 100])
def test_a_name_that_can(name):
    assert rc.Pipeline(name, partitions=DAYS).name == name


def test_functions_without_a_name_of_their_own_are_given_one(flights):
    def scaled(ctx, factor=1): ...

    for nameless in (lambda ctx: None, functools.partial(scaled, factor=2)):
        with refused("step name .* cannot be used"):
            flights.step(nameless)
    flights.step(name="scaled")(functools.partial(scaled, factor=2))
    assert list(flights.steps) == ["scaled"]


# ------------------------------------------------------------------------------------------------ pools, sources, times


@pytest.mark.parametrize("slots", [0, -1, "two", 1.5, None, True])
def test_a_pool_without_slots(slots):
    with refused("pipeline 'flights', pool 'api': .* is no number of slots"):
        rc.Pipeline("flights", partitions=DAYS, pools={"api": slots})


def test_pools_are_copied():
    pools = {"api": 2}
    flights = rc.Pipeline("flights", partitions=DAYS, pools=pools)
    pools["api"] = 0

    assert flights.pools == {"api": rc.Pool(slots=2)}


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({}, "source 'feed' needs either files= or probe="),
        ({"files": "a/{partition}", "probe": bool}, "source 'feed' needs either files= or probe="),
        ({"files": "a/*.csv"}, "source 'feed': the pattern 'a/\\*.csv' does not say where the partition stands"),
    ],
)
def test_a_source_that_cannot_be_asked(how, message):
    with refused(message):
        rc.Source("feed", DAYS, **how)


def test_a_limit_that_is_no_duration(flights):
    with refused("step 'raw': timeout: 'soon' is no duration"):
        flights.step(name="raw", timeout="soon")(lambda ctx: None)


def test_own_as_of_modes(flights):
    @flights.as_of("tip-off")
    def tip_off(key):
        return datetime.fromisoformat(f"{key}T19:00").replace(tzinfo=UTC)

    assert flights.as_of_modes == {"tip-off": tip_off}


@pytest.mark.parametrize("name", ["now", "partition-end", "tip-off"])
def test_an_as_of_mode_that_is_there_already(flights, name):
    flights.as_of("tip-off")(lambda key: datetime(2013, 1, 1, tzinfo=UTC))

    with refused(f"there is an as-of mode '{name}' already"):
        flights.as_of(name)
