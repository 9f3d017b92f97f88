"""What every test may ask for: data, a fixed chance, and a say in whether a missing server is a failure."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests import runbook

ROOT = Path(__file__).resolve().parent.parent
SHARED_DATA = Path(os.environ.get("RECOUP_SHARED") or ROOT.parent / "shared" / "data")

# A shared machine is slow at times: that is no finding, so no deadline. `fixed` tries the same examples everywhere;
# `explore` looks for new ones, and what it finds is printed as a blob to be pasted into @reproduce_failure.
settings.register_profile(
    "fixed", derandomize=True, deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("fixed"), derandomize=False, max_examples=2_000)
settings.load_profile(os.environ.get("RECOUP_HYPOTHESIS", "fixed"))

# Tests start the command a thousand times: without byte code on disk each start would compile all of it anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(runbook, "runbook")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data sets that lies beside the repository, or where RECOUP_SHARED says."""
    if not SHARED_DATA.is_dir():
        pytest.skip("no shared data here; RECOUP_SHARED names the folder")
    return SHARED_DATA


def servers_required() -> bool:
    return os.environ.get("RECOUP_REQUIRE_SERVICES", "") not in {"", "0"}


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """Where servers are required, a test that was skipped for want of one has failed."""
    report = yield
    if not (report.skipped and servers_required() and item.get_closest_marker("services")):
        return report
    if hasattr(report, "wasxfail") or ("shared_data" in getattr(item, "fixturenames", ()) and not SHARED_DATA.is_dir()):
        return report  # an expected failure, or data that no server brings
    reason = call.excinfo.value if call.excinfo else "no reason given"
    report.outcome = "failed"
    report.longrepr = f"{item.nodeid}: RECOUP_REQUIRE_SERVICES is set, and this was skipped: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report():
    """Likewise a whole module: its marks are never seen, so it may not skip itself at all."""
    report = yield
    if report.outcome == "skipped" and servers_required():
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid}: RECOUP_REQUIRE_SERVICES is set, and it skipped itself: {report.longrepr}"
    return report
