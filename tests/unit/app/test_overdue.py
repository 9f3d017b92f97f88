"""When a failure is open for too long."""

from datetime import UTC, datetime, timedelta

import pytest

from recoup.app.overdue import OPEN_SECONDS
from recoup.app.status import status
from recoup.app.workspace import Workspace
from recoup.testing.clock import FakeClock

BAD = "2024-01-04"


@pytest.mark.parametrize(("seconds", "is_overdue"), [(OPEN_SECONDS - 1, False), (OPEN_SECONDS + 1, True)])
def test_after_two_hours_and_not_before(project, seconds, is_overdue):
    project.tell("bad", [BAD])
    project.run()
    with project.reader() as reader:
        (failed_at,) = reader.query("SELECT min(ended_at) FROM attempts WHERE failure IS NOT NULL")[0]
    later = datetime.fromtimestamp(failed_at, UTC) + timedelta(seconds=seconds)
    late = status(Workspace(project.workspace.settings, FakeClock(later)), "days").overdue
    assert (late is not None) is is_overdue
    if late is not None:
        assert (late.step, late.since, round(late.seconds)) == ("raw", failed_at, seconds)


def test_what_is_mended_is_not_open(project):
    project.tell("bad", [BAD])
    project.run()
    project.tell("bad", [])
    project.run()
    later = datetime.now(UTC) + timedelta(days=1)
    assert status(Workspace(project.workspace.settings, FakeClock(later)), "days").overdue is None
