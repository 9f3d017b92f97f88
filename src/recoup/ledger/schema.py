"""The ledger's tables, and the way from each older schema to this one.

Times are seconds since 1970 UTC; `run_history` shows them as people write them. Rows of attempts, publications and
events are never deleted: a token is a row number, and so it only grows.
"""

from __future__ import annotations

from collections.abc import Mapping

SCHEMA_VERSION = 4

TABLES = """
CREATE TABLE meta (
    key TEXT PRIMARY KEY, value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A dataset: what a step makes, what a source has, what a sink's table shows. The name is the dataset's in the lake.
CREATE TABLE nodes (
    node INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, kind TEXT NOT NULL,
    label TEXT NOT NULL, partitioning TEXT NOT NULL
) STRICT;

-- Append-only ids of members; the scope is the key of the partitions that they name.
CREATE TABLE members (
    scope TEXT NOT NULL, member TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (scope, member)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX member_ids ON members (scope, id);

-- Members that were removed: nobody else is ever given their ids.
CREATE TABLE former_members (
    scope TEXT NOT NULL, id INTEGER NOT NULL, member TEXT NOT NULL, PRIMARY KEY (scope, id)
) STRICT, WITHOUT ROWID;

-- Facts as bitmaps, 4,096 ordinals a chunk: published, stale, was-stale, running, blocked, expected, tried, pointed,
-- waived, failed:<kind>, code:<version>.
CREATE TABLE planes (
    node INTEGER NOT NULL, plane TEXT NOT NULL, chunk INTEGER NOT NULL, bits BLOB NOT NULL,
    PRIMARY KEY (node, plane, chunk)
) STRICT, WITHOUT ROWID;

-- What a source said about a partition when it was last asked; only sources that know versions have rows here.
CREATE TABLE observations (
    node INTEGER NOT NULL, ordinal INTEGER NOT NULL, version TEXT NOT NULL, observed_at REAL NOT NULL,
    PRIMARY KEY (node, ordinal)
) STRICT, WITHOUT ROWID;

-- When a partition last came onto its calendar, or left it: what read a span over it before then read another one.
CREATE TABLE calendar_changes (
    node INTEGER NOT NULL, ordinal INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (node, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE controllers (
    controller INTEGER PRIMARY KEY, host TEXT NOT NULL, pid INTEGER NOT NULL, who TEXT NOT NULL,
    started_at REAL NOT NULL, lease_until REAL NOT NULL, ended_at REAL
) STRICT;

CREATE TABLE backfills (
    backfill INTEGER PRIMARY KEY, backfill_id TEXT NOT NULL UNIQUE, pipeline TEXT NOT NULL, request TEXT NOT NULL,
    digest TEXT NOT NULL, state TEXT NOT NULL, wish TEXT NOT NULL DEFAULT '', controller INTEGER,
    actions INTEGER NOT NULL, created_at REAL NOT NULL, ended_at REAL, who TEXT NOT NULL, summary TEXT
) STRICT;

-- One execution of a pipeline for one partition; one that is limited reads only what was known by its run_as_of.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY, run_id TEXT NOT NULL, pipeline TEXT NOT NULL, grain TEXT NOT NULL,
    ordinal INTEGER NOT NULL, partition TEXT NOT NULL, run_as_of REAL NOT NULL, opened_at REAL NOT NULL, closed_at REAL,
    limited INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX open_runs ON runs (pipeline, grain, ordinal) WHERE closed_at IS NULL;

-- One try of (node, ordinal). The row number is the fencing token.
CREATE TABLE attempts (
    token INTEGER PRIMARY KEY, run INTEGER NOT NULL, node INTEGER NOT NULL, ordinal INTEGER NOT NULL,
    number INTEGER NOT NULL, state TEXT NOT NULL, controller INTEGER NOT NULL, backfill INTEGER,
    decision TEXT NOT NULL, code_version TEXT NOT NULL, claimed_at REAL NOT NULL, started_at REAL, ended_at REAL,
    rows INTEGER, message TEXT, failure TEXT, log TEXT, peak_memory_bytes INTEGER, cpu_seconds REAL
) STRICT;
CREATE UNIQUE INDEX one_running ON attempts (node, ordinal) WHERE state = 'running';
CREATE INDEX tries ON attempts (node, ordinal);
CREATE INDEX causes ON attempts (json_extract(failure, '$.fingerprint')) WHERE failure IS NOT NULL;

-- What an attempt read that its pipeline alone does not tell: the newest partition, or another pipeline's. A node's
-- partition; -1 stands for all of them.
CREATE TABLE reads (
    node INTEGER NOT NULL, ordinal INTEGER NOT NULL, token INTEGER NOT NULL, PRIMARY KEY (node, ordinal, token)
) STRICT, WITHOUT ROWID;

-- What a node's partition shows, and showed. The key is the token of the attempt (or rollback) that made it so.
CREATE TABLE publications (
    token INTEGER PRIMARY KEY, node INTEGER NOT NULL, ordinal INTEGER NOT NULL, run INTEGER,
    generation INTEGER NOT NULL, state TEXT NOT NULL, digest TEXT NOT NULL, rows INTEGER, files TEXT,
    columns TEXT, code_version TEXT NOT NULL, input_version TEXT NOT NULL, run_as_of REAL NOT NULL,
    published_at REAL NOT NULL, superseded_at REAL, nonce TEXT NOT NULL, reason TEXT NOT NULL, manifest TEXT
) STRICT;
CREATE UNIQUE INDEX current_publication ON publications (node, ordinal) WHERE state = 'current';
CREATE INDEX past_publications ON publications (node, ordinal) WHERE state = 'past';
CREATE INDEX open_intents ON publications (token) WHERE state = 'intent';

-- Sources that stay away, or steps that ask somebody outside: a good probe ends it.
CREATE TABLE outages (
    node INTEGER PRIMARY KEY, since REAL NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL
) STRICT;

CREATE TABLE blocks (
    node INTEGER NOT NULL, ordinal INTEGER NOT NULL, reason TEXT NOT NULL, at REAL NOT NULL, backfill INTEGER,
    PRIMARY KEY (node, ordinal)
) STRICT, WITHOUT ROWID;

-- Gaps that a person has accepted for good; a publication ends it.
CREATE TABLE waivers (
    node INTEGER NOT NULL, ordinal INTEGER NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL,
    PRIMARY KEY (node, ordinal)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    seq INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, token INTEGER, backfill INTEGER, data TEXT
) STRICT;

-- The mean duration of a node's successes: what an estimate needs, without reading the history.
CREATE TABLE durations (
    node INTEGER PRIMARY KEY, successes INTEGER NOT NULL, seconds REAL NOT NULL
) STRICT;

-- What a person set on a backfill, even while it runs; null: as the settings say.
CREATE TABLE controls (
    backfill INTEGER PRIMARY KEY, max_parallel INTEGER, delay_seconds REAL, priority INTEGER
) STRICT;

-- The parts of a staged backfill, cut once when it began: waiting, running, passed or failed. `ranges` are partitions
-- of the pipeline, first and last key of each run, in JSON; `short` is what the gate missed.
CREATE TABLE stages (
    backfill INTEGER NOT NULL, stage INTEGER NOT NULL, name TEXT NOT NULL, ranges TEXT NOT NULL,
    partitions INTEGER NOT NULL, state TEXT NOT NULL, began_at REAL, ended_at REAL, short TEXT,
    PRIMARY KEY (backfill, stage)
) STRICT, WITHOUT ROWID;

-- Up to when incremental jobs have read; `sets` counts how often a person said so. Its past is in the events.
CREATE TABLE watermarks (
    name TEXT PRIMARY KEY, value_microseconds INTEGER NOT NULL, changed_at REAL NOT NULL, who TEXT,
    sets INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- How far attempts have read whose pointers are about to move: their watermarks follow when it is known that they have.
CREATE TABLE advances (
    token INTEGER PRIMARY KEY, name TEXT NOT NULL, sets INTEGER NOT NULL, to_microseconds INTEGER NOT NULL
) STRICT;

-- What kind of run a backfill is (backfill or live), and when what follows it is fired: hold, each or none.
CREATE TABLE modes (
    backfill INTEGER PRIMARY KEY, mode TEXT NOT NULL, downstream TEXT NOT NULL
) STRICT;

-- Pipelines that are to run because of what a backfill published: due when it ended; settled when that is carried out,
-- `fired` by which backfill. `dates`: ordinals that were complete before it ended, in JSON; null: the rest.
CREATE TABLE firings (
    firing INTEGER PRIMARY KEY, backfill INTEGER NOT NULL, follower TEXT NOT NULL, dates TEXT, due_at REAL NOT NULL,
    settled_at REAL, fired INTEGER, outcome TEXT
) STRICT;
CREATE INDEX due_firings ON firings (follower) WHERE settled_at IS NULL;
CREATE INDEX taken_firings ON firings (fired);

-- What a pool has let start: the last one, and when its rate's even schedule expects the next.
CREATE TABLE starts (
    pool TEXT PRIMARY KEY, last_at REAL NOT NULL, next_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

-- Pools whose quota is used up, and until when nothing of them starts.
CREATE TABLE pauses (
    pool TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- How controllers share a pool's slots: what each holds, and how many it could use.
CREATE TABLE shares (
    pool TEXT NOT NULL, controller INTEGER NOT NULL, priority INTEGER NOT NULL, slots INTEGER NOT NULL,
    held INTEGER NOT NULL, wanted INTEGER NOT NULL, granted_at REAL NOT NULL, PRIMARY KEY (pool, controller)
) STRICT, WITHOUT ROWID;
"""

VIEWS = """
CREATE VIEW run_history AS
SELECT n.pipeline AS layer, n.name AS step, n.label AS processor_name, r.partition AS partition, r.run_id AS run_id,
       a.number AS attempt, a.state AS state, a.state = 'succeeded' AS success, a.rows AS rows_processed,
       a.message AS error_message, json_extract(a.failure, '$.kind') AS failure_kind,
       json_extract(a.failure, '$.rule') AS failure_rule, a.decision AS decision,
       a.code_version AS code_version, a.log AS log,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.claimed_at, 'unixepoch') AS created_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.started_at, 'unixepoch') AS started_at,
       strftime('%Y-%m-%dT%H:%M:%fZ', a.ended_at, 'unixepoch') AS ended_at,
       b.backfill_id AS backfill_id, a.token AS token
FROM attempts a JOIN nodes n USING (node) JOIN runs r USING (run) LEFT JOIN backfills b ON b.backfill = a.backfill;
"""

MIGRATIONS: Mapping[int, str] = {
    # From the schema that kept no mean durations: they are taken from the history once.
    1: """
    CREATE TABLE durations (
        node INTEGER PRIMARY KEY, successes INTEGER NOT NULL, seconds REAL NOT NULL
    ) STRICT;
    INSERT INTO durations
        SELECT node, count(*), sum(ended_at - started_at) FROM attempts
        WHERE state = 'succeeded' AND started_at IS NOT NULL GROUP BY node;
    """,
    # To the schema that knows rates, shared slots, what is set on a backfill, gaps that are accepted, limited runs, and
    # reads across pipelines; members have one id in the ledger, where each pipeline used to give its own.
    2: """
    ALTER TABLE runs ADD COLUMN limited INTEGER NOT NULL DEFAULT 0;
    CREATE TABLE controls (
        backfill INTEGER PRIMARY KEY, max_parallel INTEGER, delay_seconds REAL, priority INTEGER
    ) STRICT;
    CREATE TABLE starts (
        pool TEXT PRIMARY KEY, last_at REAL NOT NULL, next_at REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE shares (
        pool TEXT NOT NULL, controller INTEGER NOT NULL, priority INTEGER NOT NULL, slots INTEGER NOT NULL,
        held INTEGER NOT NULL, wanted INTEGER NOT NULL, granted_at REAL NOT NULL, PRIMARY KEY (pool, controller)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE waivers (
        node INTEGER NOT NULL, ordinal INTEGER NOT NULL, reason TEXT NOT NULL, who TEXT NOT NULL, at REAL NOT NULL,
        PRIMARY KEY (node, ordinal)
    ) STRICT, WITHOUT ROWID;
    INSERT INTO members SELECT DISTINCT substr(scope, instr(scope, '/') + 1), member, id FROM members
        WHERE instr(scope, '/') > 0;
    DELETE FROM members WHERE instr(scope, '/') > 0;
    CREATE UNIQUE INDEX member_ids ON members (scope, id);
    CREATE TABLE former_members (
        scope TEXT NOT NULL, id INTEGER NOT NULL, member TEXT NOT NULL, PRIMARY KEY (scope, id)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE reads (
        node INTEGER NOT NULL, ordinal INTEGER NOT NULL, token INTEGER NOT NULL, PRIMARY KEY (node, ordinal, token)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE calendar_changes (
        node INTEGER NOT NULL, ordinal INTEGER NOT NULL, at REAL NOT NULL, PRIMARY KEY (node, ordinal)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX causes ON attempts (json_extract(failure, '$.fingerprint')) WHERE failure IS NOT NULL;
    CREATE TABLE pauses (
        pool TEXT PRIMARY KEY, until REAL NOT NULL, reason TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;
    """,
    # To the schema that knows staged backfills, watermarks, and what follows a backfill.
    3: """
    CREATE TABLE stages (
        backfill INTEGER NOT NULL, stage INTEGER NOT NULL, name TEXT NOT NULL, ranges TEXT NOT NULL,
        partitions INTEGER NOT NULL, state TEXT NOT NULL, began_at REAL, ended_at REAL, short TEXT,
        PRIMARY KEY (backfill, stage)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE watermarks (
        name TEXT PRIMARY KEY, value_microseconds INTEGER NOT NULL, changed_at REAL NOT NULL, who TEXT,
        sets INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE advances (
        token INTEGER PRIMARY KEY, name TEXT NOT NULL, sets INTEGER NOT NULL, to_microseconds INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE modes (
        backfill INTEGER PRIMARY KEY, mode TEXT NOT NULL, downstream TEXT NOT NULL
    ) STRICT;
    CREATE TABLE firings (
        firing INTEGER PRIMARY KEY, backfill INTEGER NOT NULL, follower TEXT NOT NULL, dates TEXT, due_at REAL NOT NULL,
        settled_at REAL, fired INTEGER, outcome TEXT
    ) STRICT;
    CREATE INDEX due_firings ON firings (follower) WHERE settled_at IS NULL;
    CREATE INDEX taken_firings ON firings (fired);
    CREATE TABLE outages (
        node INTEGER PRIMARY KEY, since REAL NOT NULL, kind TEXT NOT NULL, message TEXT NOT NULL
    ) STRICT;
    """,
}
"""The step from each older version to the next one."""
