"""What is looked up where something has just failed; the kind was judged before."""

import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request

import pytest

from recoup.engine.endpoints import Endpoint, endpoint_of, probe
from recoup.engine.listeners import listeners
from recoup.engine.surroundings import ownership, port_in_use, surroundings
from recoup.model.redact import redact
from recoup.recovery.classify import classify
from tests.acceptance.vendor import REASON, vendor


def around(error, root):
    return surroundings(error, classify(error), root, redact)


def raised(function):
    try:
        function()
    except Exception as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError("it did not fail")


def test_whose_a_path_is_or_the_nearest_folder_that_can_be_seen(tmp_path):
    tmp_path.chmod(0o750)
    there = ownership(str(tmp_path))
    assert (there["path"], there["mode"]) == (str(tmp_path), "drwxr-x---")
    assert there["owner"].endswith(f"({tmp_path.stat().st_uid})")
    assert there["running_as"].endswith(f"({os.geteuid()})")
    assert "seen_at" not in there
    gone = ownership(str(tmp_path / "a" / "b"))
    assert (gone["path"], gone["seen_at"], gone["mode"]) == (str(tmp_path / "a" / "b"), str(tmp_path), "drwxr-x---")


@pytest.mark.parametrize(
    "text",
    ["mkdir: cannot create directory '{}': Permission denied", "open {}: permission denied", "permission denied: {}"],
)
def test_the_path_that_a_command_was_refused(tmp_path, text):
    error = subprocess.CalledProcessError(1, ["export"], stderr=text.format(tmp_path))
    assert around(error, tmp_path)["path"] == str(tmp_path)


def test_the_innermost_error_knows_the_path(tmp_path):
    error = RuntimeError("the export failed: permission denied")
    error.__cause__ = PermissionError(13, "Permission denied", tmp_path / "x")
    assert around(error, tmp_path)["seen_at"] == str(tmp_path)


@pytest.mark.parametrize(
    ("message", "port"),
    [
        ("address already in use (0.0.0.0:{})", True),
        ("[Errno 98] Address already in use (while attempting to bind on address ('127.0.0.1', {}))", True),
        ("[Errno 98] error while attempting to bind on address ('0.0.0.0', {}): address already in use", True),
        ("listen tcp :{}: bind: address already in use", True),
        ("[Errno 98] Address already in use", False),
        ("127.0.0.1:{} refused", False),
    ],
)
def test_a_port_and_who_has_it(message, port):
    with socket.create_server(("127.0.0.1", 0)) as held:
        number = held.getsockname()[1]
        found = port_in_use(message.format(number))
        assert found.get("port") == (number if port else None)
        assert not port or f"process {os.getpid()}, " in found["held_by"]
    assert listeners(number) == ()


def test_a_process_that_listens_is_named_by_its_command():
    code = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1], flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as one:
        assert one.stdout
        port = int(one.stdout.readline())
        [found] = listeners(port)
        one.communicate("\n")
    assert found.pid == one.pid
    assert "create_server" in found.command


def test_an_answer_is_still_there_to_be_read(tmp_path):
    with vendor() as known:
        error = raised(lambda: urllib.request.urlopen(f"{known.url}/503?token=very-secret", timeout=5))
        told = around(error, tmp_path)
        assert (told["address"], told["answer"]) == (f"{known.url}/503", REASON)
        assert error.read().decode() == REASON


@pytest.mark.parametrize(
    "message",
    [
        'connection to server at "127.0.0.1", port {} failed: Connection refused',
        "HTTPConnectionPool(host='127.0.0.1', port={}): Max retries exceeded",
        "connect to ('127.0.0.1', {}) failed",
    ],
)
def test_whether_the_endpoint_takes_connections(tmp_path, message):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        error = ConnectionResetError(message.format(port))
        assert around(error, tmp_path)["endpoint"] == f"127.0.0.1:{port} takes connections"
    assert around(error, tmp_path)["endpoint"] == f"127.0.0.1:{port} refuses connections"


def test_an_endpoint_by_its_address():
    assert endpoint_of("https://vendor.example/x", "") == ("vendor.example", 443)
    assert endpoint_of("http://vendor.example:81/x", "") == ("vendor.example", 81)
    assert endpoint_of("", "nothing tells") is None
    assert probe(Endpoint("nobody.invalid", 80)) == "its name does not resolve"


def test_what_cannot_be_had_is_left_out(tmp_path):
    assert around(urllib.error.URLError("odd"), tmp_path) == {}
    assert around(ValueError("Requested run=a missing under nowhere"), tmp_path) == {
        "run_asked_for": "a",
        "runs_present": [],
    }
