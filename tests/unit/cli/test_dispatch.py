import json
import subprocess
import sys

import pytest

from recoup.cli import main
from recoup.cli.commands import COMMANDS, page
from recoup.cli.dispatch import build, name_of
from recoup.ledger import connection
from recoup.model.errors import ExitCode


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def told(capsys):
    captured = capsys.readouterr()
    return captured.out, captured.err


@pytest.mark.parametrize("words", [[], ["--help"], ["-h"], ["help"]])
def test_the_page_names_every_command(words, capsys):
    assert main(words) == 0
    out, err = told(capsys)
    assert all(f"  {command.name} " in out for command in COMMANDS)
    assert err == ""
    assert max(map(len, out.splitlines())) <= 80


def test_version(capsys):
    assert main(["--version"]) == 0
    assert told(capsys)[0].startswith("recoup 0.")


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_every_command_can_be_loaded_and_tells_about_itself(command, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main([command, "--help"]) == 0
    out, err = told(capsys)
    assert out.startswith(f"usage: recoup {command}")
    assert err == ""
    assert all(len(line) <= 80 for line in out.splitlines())


def test_a_group_alone_tells_about_itself(capsys):
    assert main(["backfill"]) == 0
    assert "pause" in told(capsys)[0]


@pytest.mark.parametrize(
    ("words", "sentence", "remedy"),
    [
        (["rum"], 'unknown command "rum"', 'did you mean "run"?'),
        (["backfill", "puase"], 'unknown command "puase"', 'did you mean "pause"?'),
        (["run", "x", "--strt", "3"], "unknown option: --strt", "did you mean --start?"),
        (["lake", "view"], "`recoup lake view` needs DATASET", "recoup lake view --help"),
        (["run", "x", "--max-parallel", "many"], 'unable to convert "many" into int', "recoup run --help"),
        (["plan", "x", "--order", "up"], 'invalid value "up" for --order', '"oldest", "newest"'),
        (["run", "x", "--start"], "--start needs a value", "recoup run --help"),
    ],
)
def test_words_that_cannot_be_understood(words, sentence, remedy, capsys):
    assert main(words) == ExitCode.USAGE
    out, err = told(capsys)
    error, help_line = err.splitlines()
    assert out == ""
    assert error.startswith("error: ")
    assert sentence in error
    assert help_line.startswith("help: ")
    assert remedy in help_line


def test_an_error_is_json_where_json_was_asked_for(capsys):
    assert main(["status", "nix", "--json"]) == ExitCode.USAGE
    out, err = told(capsys)
    body = json.loads(out)
    assert (body["schema"], body["command"], body["exit_code"]) == (1, "status", 2)
    assert body["error"]["type"] == "PipelineError"
    assert body["error"]["message"]
    assert body["error"]["help"]
    assert err == ""


def test_words_behind_two_dashes_are_no_flags(capsys):
    assert main(["status", "--", "--json"]) == ExitCode.USAGE
    assert told(capsys)[1].startswith("error: ")


def test_a_bug_of_ours_says_so_and_keeps_the_evidence(capsys, monkeypatch, tmp_path):
    (tmp_path / ".recoup").mkdir()
    monkeypatch.setattr("recoup.app.workspace.load_settings", lambda *_, **__: 1 / 0)
    assert main(["status", "password=hush"]) == ExitCode.BUG
    error, help_line = told(capsys)[1].splitlines()
    assert error == "error: this is a bug in recoup: ZeroDivisionError: division by zero"
    (evidence,) = (tmp_path / ".recoup").glob("bug-*.txt")
    assert str(evidence) in help_line
    assert "Traceback" in evidence.read_text()
    assert "hush" not in evidence.read_text()


def test_ctrl_c_before_anything_runs(capsys, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("recoup.app.workspace.load_settings", interrupted)
    assert main(["status"]) == ExitCode.INTERRUPTED
    assert "interrupted" in told(capsys)[1]


def test_names():
    assert [name_of(words) for words in (["run", "x"], ["backfill", "pause", "x"], ["nix"], [])] == [
        "run",
        "backfill pause",
        "",
        "",
    ]


def test_nothing_heavy_is_loaded_for_the_page_nor_for_the_parser():
    """What costs start-up: the page needs no parser, the parser needs no command, no command needs tables."""
    script = (
        "import sys\n"
        "from recoup.cli import main\n"
        "main([])\n"
        "assert 'cyclopts' not in sys.modules\n"
        "assert main(['plan', 'nix']) == 2\n"
        "heavy = {'polars', 'duckdb', 'rich', 'obstore', 'pyarrow'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_is_what_the_parser_knows():
    assert {command.name for command in COMMANDS} <= set(build())
    assert page("1.2.3").startswith("recoup 1.2.3: ")


def test_a_ledger_on_a_network_file_system(capsys, monkeypatch, tmp_path):
    mounts = f"/dev/sda / ext4 rw 0 0\nserver:/share {tmp_path} nfs4 rw 0 0\n"
    real = connection.refuse_network_file_system
    for module in ("workspace", "doctor"):
        monkeypatch.setattr(f"recoup.app.{module}.refuse_network_file_system", lambda path, _: real(path, mounts))
    (tmp_path / "recoup.toml").write_text('[pipelines]\np = "p.py"\n')
    (tmp_path / "p.py").write_text(
        'import recoup as rc\np = rc.Pipeline("p", partitions=rc.Daily("2024-01-01", "2024-01-02"))\n'
        "@p.step\ndef a(ctx): ...\n"
    )
    for words in (["run", "p"], ["plan", "p"]):
        assert main(words) == ExitCode.USAGE
        error, help_line = told(capsys)[1].splitlines()
        assert f"network file system (nfs4 at {tmp_path})" in error
        assert "local disk" in help_line
    assert main(["doctor"]) == ExitCode.INCOMPLETE
    assert "network file system" in told(capsys)[0]
