"""A project in a folder of its own, the command line as people type it, and what its steps wrote down."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.conftest import SHARED_DATA

if TYPE_CHECKING:
    from tests.acceptance.phase3 import Season

PATIENCE_SECONDS = 30

# Steps import this: each call is one line, so that it shows what ran, when, and in which process.
WITNESS = '''
import json
import os
import time
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).resolve().parent


@contextmanager
def noted(ctx):
    """Write down that a step begins, and that it ended well."""
    note(ctx, "began")
    yield
    note(ctx, "ended")


def note(ctx, what):
    words = [what, ctx.step, ctx.partition, ctx.attempt, os.getpid(), time.time()]
    line = json.dumps(words).encode() + b"\\n"
    file = os.open(HERE / "calls.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(file, line)
    os.close(file)


def told(name):
    """The words in the file of that name, which a test writes while steps run."""
    file = HERE / name
    return file.read_text().split() if file.exists() else []


def wait_for(name):
    while not (HERE / name).exists():
        time.sleep(0.005)
'''

# Makes the terminal its own, then becomes the command.
LOGIN = """
import os, sys
os.login_tty(0)
os.execv(sys.executable, [sys.executable, "-m", "recoup", *sys.argv[1:]])
"""


class Call(NamedTuple):
    """One line that a step wrote down."""

    what: str
    step: str
    partition: str
    attempt: int
    pid: int
    at: float


@dataclass
class Project:
    """A folder with a recoup.toml and pipelines; lake and ledger come with the first run."""

    folder: Path
    environ: dict[str, str] = field(default_factory=dict)
    _started: list[subprocess.Popen[str]] = field(default_factory=list)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def declare(self, name: str, body: str, settings: str = "") -> None:
        """A pipeline in a file of its name, whose variable has that name too."""
        head = "import os, signal, time\nimport recoup as rc\nfrom witness import HERE, note, noted, told, wait_for\n"
        self.write(f"{name}.py", head + body)
        self.write("witness.py", WITNESS)
        self.write("recoup.toml", f'{settings}\n[pipelines]\n{name} = "{name}.py:{name}"\n')

    # --- the command line

    def recoup(self, *words: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Type a command and wait for its end."""
        return subprocess.run(
            [sys.executable, "-m", "recoup", *words],
            cwd=self.folder,
            env=self._environment(environ),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
            check=False,
        )

    def answer(self, *words: str) -> dict[str, Any]:
        """What a command answers to a program; the closing line where there are more."""
        result = self.recoup(*words, "--json")
        assert result.stdout, result.stderr
        answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        assert answer["exit_code"] == result.returncode
        return answer

    def start(self, *words: str, module: tuple[str, str] = ("-m", "recoup"), **environ: str) -> subprocess.Popen[str]:
        """Type a command and do not wait."""
        process = subprocess.Popen(
            [sys.executable, *module, *words],
            cwd=self.folder,
            env=self._environment(environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def terminal(self, *words: str) -> Terminal:
        """Type a command at a terminal of its own."""
        return Terminal.open(self, words, self._environment({"COLUMNS": "120", "TERM": "xterm"}))

    def end(self) -> None:
        for process in self._started:
            with process:
                process.kill()

    def _environment(self, more: dict[str, str]) -> dict[str, str]:
        usual = {name: value for name, value in os.environ.items() if not name.startswith(("RECOUP_", "AWS_"))}
        return {**usual, "POLARS_MAX_THREADS": "1", **self.environ, **more}

    def python(self, code: str) -> Any:
        """What a person's own program finds, in a process of its own; the last line that it prints."""
        result = subprocess.run(
            [sys.executable, "-c", f"import json\nimport recoup as rc\n{code}"],
            cwd=self.folder,
            env=self._environment({}),
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE_SECONDS,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout.splitlines()[-1])

    # --- what happened

    def calls(self, what: str = "began") -> list[Call]:
        """What the steps wrote down, in its order."""
        path = self.folder / "calls.log"
        lines = path.read_text().splitlines(keepends=True) if path.exists() else []
        # Read while steps write: a last line that has not ended yet is not there yet.
        calls = [Call(*json.loads(line)) for line in lines if line.endswith("\n")]
        return [call for call in calls if call.what == what]

    def ledger(self, sql: str, *values: object) -> list[Any]:
        path = f"file:{self.folder}/.recoup/ledger.db?mode=ro"
        with closing(sqlite3.connect(path, uri=True, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def manifests(self, dataset: str = "*") -> list[dict[str, Any]]:
        """All manifests, those of failures too, by their partition and dataset."""
        paths = (self.folder / "lake" / "manifests").glob(f"{dataset}/*/run=*/manifest.json")
        found = [json.loads(path.read_text()) for path in paths]
        return sorted(found, key=lambda body: (body["partition"], body["dataset"]))

    def summary(self) -> dict[str, Any]:
        """Of the newest backfill."""
        paths = (self.folder / "lake" / "manifests" / "backfills").glob("*/summary.json")
        body: dict[str, Any] = json.loads(max(paths, key=lambda path: path.stat().st_mtime_ns).read_text())
        return body

    def tree(self, *below: str) -> dict[str, bytes]:
        """Every file below a folder, with its bytes."""
        root = self.folder.joinpath(*below)
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


@dataclass
class Terminal:
    """A command that believes a person is watching; Ctrl-C goes to it and to all of its workers."""

    process: subprocess.Popen[bytes]
    fileno: int
    text: str = ""

    @classmethod
    def open(cls, project: Project, words: tuple[str, ...], environ: dict[str, str]) -> Terminal:
        controller, own = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", LOGIN, *words],
            cwd=project.folder,
            env=environ,
            stdin=own,
            stdout=own,
            stderr=own,
        )
        os.close(own)
        project._started.append(process)  # type: ignore[arg-type]
        return cls(process, controller)

    def see(self, *texts: str) -> str:
        """Read until one of these is on the screen."""
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        while not any(text in self.text for text in texts):
            assert self._read(0.05) or self.process.poll() is None, self.text
            assert time.monotonic() < give_up_at, self.text
        return self.text

    def press(self, key: str) -> None:
        os.write(self.fileno, key.encode())

    def leave(self) -> int:
        """Read until the command ends; its exit code."""
        while self._read(0.05) or self.process.poll() is None:
            pass
        os.close(self.fileno)
        return self.process.wait(PATIENCE_SECONDS)

    def _read(self, patience_seconds: float) -> bool:
        ready, _, _ = select.select([self.fileno], [], [], patience_seconds)
        with contextlib.suppress(OSError):  # the last one has closed it
            if ready and (data := os.read(self.fileno, 65536)):
                self.text += data.decode(errors="replace")
                return True
        return False


def until(condition: Callable[[], object], process: subprocess.Popen[str] | None = None) -> None:
    """Wait for something that another process does; it may not end before."""
    give_up_at = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < give_up_at, "it did not happen"
        time.sleep(0.01)


@pytest.fixture(name="until")
def until_fixture() -> Callable[..., None]:
    return until


@pytest.fixture
def projects(tmp_path: Path) -> Iterator[Callable[[str], Project]]:
    """Make one by name; whatever it started is ended."""
    made: list[Project] = []

    def make(name: str) -> Project:
        folder = tmp_path / name
        folder.mkdir()
        made.append(Project(folder))
        return made[-1]

    yield make
    for project in made:
        project.end()
        shutil.rmtree(project.folder, ignore_errors=True)


@pytest.fixture
def project(projects: Callable[[str], Project]) -> Project:
    return projects("project")


@dataclass
class Here:
    """The same command line in this process: a command costs next to nothing, and a test may hold the clock."""

    project: Project
    _capsys: pytest.CaptureFixture[str]

    def recoup(self, *words: str) -> subprocess.CompletedProcess[str]:
        from recoup.cli import main

        code = main(list(words))
        told = self._capsys.readouterr()
        return subprocess.CompletedProcess(words, code, told.out, told.err)

    def answer(self, *words: str) -> dict[str, Any]:
        """What a command answers to a program; the closing line where there are more."""
        result = self.recoup(*words, "--json")
        assert result.stdout, result.stderr
        answer: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
        assert answer["exit_code"] == result.returncode
        return answer


@pytest.fixture
def here(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Here]:
    """For steps that run inline, and pipelines whose code stays as it is: what was imported stays imported."""
    monkeypatch.chdir(project.folder)
    for name in list(os.environ):
        if name.startswith(("RECOUP_", "AWS_")):
            monkeypatch.delenv(name)
    monkeypatch.setattr(sys, "path", [*sys.path])
    sys.modules.pop("witness", None)
    yield Here(project, capsys)
    sys.modules.pop("witness", None)


@pytest.fixture(scope="session")
def season_template() -> Iterator[str]:
    """The URL of a database with two seasons in it."""
    from tests.acceptance import phase3

    with phase3.template(SHARED_DATA if SHARED_DATA.is_dir() else None) as url:
        yield url


@pytest.fixture
def season(project: Project, season_template: str) -> Iterator[Season]:
    """The document's Phase 3, on a database of its own."""
    from tests import servers
    from tests.acceptance import phase3

    with servers.postgresql(season_template) as url:
        yield phase3.season(project, url)


@pytest.fixture
def stop() -> Callable[[subprocess.Popen[str], int], tuple[int, str]]:
    """Send a signal and wait for the end: exit code and stderr."""

    def send(process: subprocess.Popen[str], number: int) -> tuple[int, str]:
        process.send_signal(signal.Signals(number))
        _, errors = process.communicate(timeout=PATIENCE_SECONDS)
        return process.returncode, errors

    return send
