"""The document's Phase 3: five independent steps over the game days that a schedule in PostgreSQL names.

The games are real ones, two seasons earlier, so that they lie in the document's range; a made-up season stands in where
the data set is not there. Each test gets a database of its own, copied from a template.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from tests import servers

if TYPE_CHECKING:
    from tests.acceptance.conftest import Project

STEPS = (
    "player_game_summary",
    "team_defense_game_summary",
    "team_offense_game_summary",
    "upcoming_player_game_context",
    "upcoming_team_game_context",
)
NO_GAMES = "2023-11-27"
"""A day on which none was played; one that was only planned stands in the schedule."""

BACK = (timedelta(days=731), timedelta(days=1096))
"""From the season of the data to the document's last two."""

PIPELINE = '''
import polars as pl

games = rc.Calendar.from_sql("nba", "SELECT DISTINCT game_date FROM nba_raw.nbac_schedule WHERE game_status = 3")
days = rc.Daily("2020-10-01", "2024-06-30", key="game_date", calendar=games)
team_boxscore = rc.Source("nbac_team_boxscore", days, sql=rc.Sql(
    "nba",
    probe="""SELECT game_date, count(*) FROM nba_raw.nbac_team_boxscore
        WHERE game_date BETWEEN :first AND :last GROUP BY 1""",
    load="SELECT * FROM nba_raw.nbac_team_boxscore WHERE game_date = :partition",
))
phase3 = rc.Pipeline("phase_3_analytics", partitions=days)


def table(name):
    return {sink}


def trouble(ctx):
    """What a test wants to go wrong: words such as `player_game_summary/2023-11-15/ValueError`."""
    for word in told("trouble"):
        step, day, error = word.split("/")
        if (step, day) == (ctx.step, ctx.partition):
            raise {{"FileNotFoundError": FileNotFoundError, "ZeroDivisionError": ZeroDivisionError,
                   "ConnectionResetError": ConnectionResetError, "ValueError": ValueError}}[error](
                f"No raw data found for game_date={{day}}")
    while ctx.partition in told("wait"):
        time.sleep(0.01)


def only(rows, *columns):
    return rows.select("game_date", "game_id", "team", *columns)


@phase3.step(label="PlayerGameSummaryProcessor", sink=table("player_game_summary"))
def player_game_summary(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        trouble(ctx)
        return only(box, "points", "won")


@phase3.step(label="TeamDefenseGameSummaryProcessor", sink=table("team_defense_game_summary"))
def team_defense_game_summary(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        trouble(ctx)
        allowed = box.select("game_id", team="opponent", allowed="points")
        return only(box.join(allowed, on=["game_id", "team"]), "allowed")


@phase3.step(label="TeamOffenseGameSummaryProcessor", sink=table("team_offense_game_summary"))
def team_offense_game_summary(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        trouble(ctx)
        return only(box, "points", "fg_pct", "fg3_pct")


@phase3.step(label="UpcomingPlayerGameContextProcessor", sink=table("upcoming_player_game_context"))
def upcoming_player_game_context(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        trouble(ctx)
        return only(box, "is_home")


@phase3.step(label="UpcomingTeamGameContextProcessor", sink=table("upcoming_team_game_context"))
def upcoming_team_game_context(ctx, box: pl.LazyFrame = team_boxscore):
    with noted(ctx):
        trouble(ctx)
        return only(box, "opponent", "is_home")
'''

SINK = 'rc.Postgres("nba", table=f"nba_analytics.{name}", key=["game_date", "game_id", "team"])'

TABLES = (
    "CREATE SCHEMA nba_raw",
    "CREATE SCHEMA nba_analytics",
    """CREATE TABLE nba_raw.nbac_schedule (
        game_id text PRIMARY KEY, game_date date NOT NULL, home_team text, away_team text, game_status integer NOT NULL
    )""",
    """CREATE TABLE nba_raw.nbac_team_boxscore (
        game_id text, game_date date, team text, opponent text, is_home boolean, points integer, won boolean,
        fg_pct numeric(4, 3), fg3_pct numeric(4, 3), PRIMARY KEY (game_id, team)
    )""",
    "CREATE INDEX ON nba_raw.nbac_team_boxscore (game_date)",
)


@dataclass(frozen=True)
class Season:
    """A project whose sources and tables lie in one database."""

    project: Project
    url: str
    days: Sequence[str]
    """All days with final games, in order."""

    def recoup(self, *words: str, **environ: str) -> Any:
        return self.project.recoup(*words, **environ)

    def answer(self, *words: str) -> dict[str, Any]:
        return self.project.answer(*words)

    def say(self, *statements: str, **values: object) -> list[Any]:
        """In the season's database."""
        return servers.say(self.url, *statements, **values)

    def trouble(self, *words: str) -> None:
        """Which step fails on which day, and how: `player_game_summary/2023-11-15/ValueError`; none: all is well."""
        self.project.write("trouble", "\n".join(words))

    def between(self, start: str, end: str) -> list[str]:
        """The game days of a window, both ends included."""
        return [day for day in self.days if start <= day <= end]

    def called(self) -> list[tuple[str, str]]:
        """Which steps were called for which days, in order."""
        return sorted((call.step, call.partition) for call in self.project.calls())

    def declare(self, body: str = PIPELINE, more: str = "", sink: str = SINK, settings: str = "") -> None:
        """The pipeline, with steps that a test adds; recoup.toml calls it phase3."""
        text = body.format(sink=sink) + more
        self.project.declare("phase3", text, f"{settings}\n[connections]\nnba = {json.dumps(self.url)}\n")


@contextmanager
def template(data: Path | None) -> Iterator[str]:
    """A database with two seasons in it, to be copied."""
    with servers.postgresql() as url:
        servers.say(url, *TABLES)
        games = [game for back in BACK for game in _games(data, back)]
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            connection.execute(sa.text(_SCHEDULE), games)
            boxes = [row for game in games if game["status"] == 3 for row in _box(game)]
            connection.execute(sa.text(_BOX), boxes)
        yield url


def season(project: Project, url: str) -> Season:
    """A project on a copy of the template."""
    rows = servers.say(
        url, "SELECT DISTINCT game_date::text FROM nba_raw.nbac_schedule WHERE game_status = 3 ORDER BY 1"
    )
    made = Season(project, url, [day for (day,) in rows])
    made.declare()
    return made


_SCHEDULE = "INSERT INTO nba_raw.nbac_schedule VALUES (:game_id, :game_date, :home, :away, :status)"
_BOX = (
    "INSERT INTO nba_raw.nbac_team_boxscore VALUES (:game_id, :game_date, :team, :opponent, :is_home, :points, :won,"
    " :fg_pct, :fg3_pct)"
)


def _games(data: Path | None, back: timedelta) -> Iterator[dict[str, Any]]:
    for row in _real(data) if data else _made_up():
        day = date.fromisoformat(row["GAME_DATE"]) - back
        yield {
            "game_id": f"{day.year}-{row['GAME_ID']}",
            "game_date": day,
            "home": row["HOME_TEAM"],
            "away": row["AWAY_TEAM"],
            "status": 3,
            "row": row,
        }
    if back == BACK[0]:
        yield {
            "game_id": "planned",
            "game_date": date.fromisoformat(NO_GAMES),
            "home": "NYK",
            "away": "BOS",
            "status": 1,
        }


def _real(data: Path) -> Iterator[Mapping[str, str]]:
    for name in ("schedule_2025_26_regular.csv", "schedule_2025_26_playoffs.csv"):
        with (data / "nba" / name).open(encoding="utf-8") as file:
            yield from csv.DictReader(file)


def _made_up() -> Iterator[Mapping[str, str]]:
    """Two games a day in the same months; nobody plays when nobody did."""
    first, teams = date(2025, 10, 21), ("NYK", "BOS", "LAL", "DEN", "MIL", "MIA")
    for n in range(206):
        day = first + timedelta(days=n)
        if day == date.fromisoformat(NO_GAMES) + BACK[0]:
            continue
        for game in range(2):
            home, away = teams[(n + game) % 6], teams[(n + game + 3) % 6]
            points = {"HOME_PTS": str(100 + n % 17), "AWAY_PTS": str(95 + n % 19), "HOME_WL": "W" if n % 2 else "L"}
            shares = dict.fromkeys(("HOME_FG_PCT", "HOME_FG3_PCT", "AWAY_FG_PCT", "AWAY_FG3_PCT"), "0.4")
            named = {"GAME_ID": f"made-up-{n}-{game}", "GAME_DATE": day.isoformat()}
            yield {**named, "HOME_TEAM": home, "AWAY_TEAM": away, **points, **shares}


def _box(game: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    row = game["row"]
    for side, other, team, opponent in (("HOME", "AWAY", "home", "away"), ("AWAY", "HOME", "away", "home")):
        yield {
            "game_id": game["game_id"],
            "game_date": game["game_date"],
            "team": game[team],
            "opponent": game[opponent],
            "is_home": side == "HOME",
            "points": int(float(row[f"{side}_PTS"])),
            "won": int(float(row[f"{side}_PTS"])) > int(float(row[f"{other}_PTS"])),
            "fg_pct": row[f"{side}_FG_PCT"] or None,
            "fg3_pct": row[f"{side}_FG3_PCT"] or None,
        }
