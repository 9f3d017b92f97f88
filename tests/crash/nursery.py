"""Children that are born with everything loaded: `recoup …` in a process of its own within 0.1 s instead of 1 s.

Run as a script it reads requests, one JSON object a line, forks for each, and answers with how the child ended. It
has loaded polars and DuckDB but never used them, so that no thread of theirs is lost in a fork. Whoever needs worker
processes, or a controller that is not a fork, starts a real one instead.
"""

import faulthandler
import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

LOADED = (
    "duckdb",
    "numpy",
    "polars",
    "psycopg",
    "recoup.cli.dispatch",
    "recoup.cli.run",
    "recoup.executors.inline",
    "recoup.lake.scan",
    "recoup.lake.staging",
    "recoup.sinks.duckdb",
    "recoup.sinks.postgres",
    "recoup.testing.crash",
)
HANGS_SECONDS = 60.0


class Nursery:
    """The parent's side of one nursery; calls come from one thread at a time."""

    def __init__(self) -> None:
        environ = {**os.environ, "POLARS_MAX_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ, text=True
        )

    def bear(self, folder: Path, words: list[str], out: Path, environ: dict[str, str], injector: dict[str, Any]) -> int:
        """Run `recoup words` in the folder, under an injector with these fields; its exit code, or minus its signal.

        The field `workers` is what the workers get that it starts. What they say is added to the file `out`.
        """
        request = {"folder": str(folder), "words": words, "out": str(out), "environ": environ, "injector": injector}
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        print(json.dumps(request), file=stdin, flush=True)
        return int(stdout.readline())

    def close(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


Nurseries = SimpleQueue[Nursery]


def main() -> None:
    for name in LOADED:
        importlib.import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            live(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def live(request: dict[str, Any]) -> None:
    """The child: a terminal of files, an injector, and the command line; never returns."""
    os.chdir(request["folder"])
    os.environ.update(request["environ"])
    with Path(request["out"]).open("ab") as out:
        for fileno in (1, 2):
            os.dup2(out.fileno(), fileno)
    faulthandler.dump_traceback_later(HANGS_SECONDS, exit=True)
    from recoup import cli
    from recoup.testing.crash import Injector, Workers, install

    code, fields = 70, request["injector"]
    workers = fields.pop("workers", None)
    try:
        install(Injector(**{**fields, "kinds": frozenset(fields.get("kinds", ()))}), workers and Workers(**workers))
        code = cli.main(request["words"])
    finally:
        _flush(sys.stdout, sys.stderr)
        os._exit(code)


def _flush(*streams: IO[str]) -> None:
    for stream in streams:
        stream.flush()


if __name__ == "__main__":
    main()
