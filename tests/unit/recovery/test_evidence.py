"""What is captured of a real exception, and what of it is kept."""

import json
import subprocess
import threading
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from recoup.model.errors import PipelineError
from recoup.model.failure import FailureKind, RetryClass
from recoup.model.rule import Rule, checked
from recoup.recovery.capture import capture
from recoup.recovery.classify import classify
from tests.unit.recovery.test_classify import caught, raised


@pytest.fixture
def feed():
    """A server that is asked too often, and says for how long to stay away."""

    class Busy(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(429)
            self.send_header("Retry-After", "7" if self.path == "/seconds" else "Wed, 21 Oct 2026 07:28:30 GMT")
            self.end_headers()

        def date_time_string(self, timestamp=None):
            return "Wed, 21 Oct 2026 07:28:00 GMT"

        def log_message(self, *words):
            pass

    server = HTTPServer(("127.0.0.1", 0), Busy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(("path", "seconds"), [("seconds", 7.0), ("date", 30.0)])
def test_what_a_server_asks_for(feed, path, seconds):
    error = caught(urllib.request.urlopen, f"{feed}/{path}")
    assert isinstance(error, urllib.error.HTTPError)
    failure = classify(error)
    error.close()

    assert (failure.kind, failure.rule) == (FailureKind.THROTTLED, "http 429")
    assert failure.evidence["http_status"] == 429
    assert failure.evidence["retry_after_seconds"] == seconds


@pytest.mark.parametrize(("said", "seconds"), [(3600, 3600.0), (2.5, 2.5), (True, None), ("soon", None)])
def test_what_an_error_of_a_library_asks_for(said, seconds):
    class Busy(Exception):
        retry_after = said

    assert classify(Busy("too many requests")).evidence.get("retry_after_seconds") == seconds


def test_the_end_of_what_a_command_printed_without_its_secrets():
    script = "echo 'connect with password=hunter2-geheim' >&2; echo 'cat: x: No such file or directory' >&2; exit 3"
    failure = classify(caught(lambda: subprocess.run(["bash", "-c", script], check=True, capture_output=True)))

    assert failure.kind is FailureKind.MISSING
    assert failure.evidence["exit_code"] == 3
    assert failure.evidence["output"].endswith("No such file or directory")
    assert "hunter2" not in json.dumps(failure.to_json())


def test_a_group_is_as_bad_as_its_worst():
    lost, bug = ConnectionResetError(104, "reset"), ZeroDivisionError("division by zero")

    assert classify(raised(ExceptionGroup("two", [lost, bug]))).kind is FailureKind.LOGIC
    assert classify(raised(ExceptionGroup("two", [lost, RuntimeError("?")]))).kind is FailureKind.UNKNOWN
    assert classify(raised(ExceptionGroup("one", [lost]))).kind is FailureKind.NETWORK
    assert classify(raised(ExceptionGroup("one", [lost]))).evidence["types"] == [
        "ExceptionGroup",
        "ConnectionResetError",
    ]


def test_an_exception_may_say_which_failure_it_is():
    class FeedDownError(Exception):
        fingerprint = "feed is down"

    class OtherError(FeedDownError):
        pass

    one, two = FeedDownError("feed 1 down"), OtherError("quite another text")

    assert classify(one, "a:1").fingerprint == classify(two, "b:2").fingerprint


def test_properties_that_raise_are_no_evidence():
    class Odd(Exception):
        @property
        def response(self):
            raise RuntimeError

        status_code = "many"

    assert dict(capture(Odd("x")).strands[0][0].facts) == {}


def test_a_key_that_is_there_twice_is_not_tried_again():
    failure = classify(FileExistsError(17, "File exists"))

    assert (failure.kind, failure.retry_class) == (FailureKind.CONFLICT, RetryClass.NOT_BLINDLY)
    assert classify(BlockingIOError(11, "Resource temporarily unavailable")).retry_class is RetryClass.SAME_RUN


def test_a_rule_by_class_and_words():
    rule = Rule("feed", type="OSError", kind="quota", retry_class="A", advice="Ask for more.")

    failure = classify(ConnectionError("the feed is closed"), rules=(rule,))
    assert (failure.kind, failure.rule, failure.confidence) == (FailureKind.QUOTA, "rule feed", 1.0)
    assert (failure.retry_class, failure.advice) == (RetryClass.SAME_RUN, "Ask for more.")
    assert classify(RuntimeError("the feed is closed"), rules=(rule,)).kind is FailureKind.UNKNOWN
    assert classify(ConnectionError("something else"), rules=(rule,)).kind is FailureKind.NETWORK


def test_rules_that_agree_may_be_said_twice():
    rule = Rule("x", kind="quota")
    assert checked([rule, Rule("x", kind="quota")]) == (rule, rule)
    with pytest.raises(PipelineError, match="contradict"):
        checked([rule, Rule("X", kind="quota", retry_class="A")])
