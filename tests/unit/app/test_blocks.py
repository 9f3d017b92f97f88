"""What status says of a block whose reason is over."""

from recoup.app.standing import parts
from recoup.app.status import status


def told(project, step):
    found = status(project.workspace, "days")
    return {
        (part.word, part.text): part.step.node.partitions.ranges_text(part.partitions)
        for part in parts(found, None)
        if part.step.node.name == step
    }


def test_what_was_blocked_is_missing_once_its_input_is_there(project):
    day = "2024-01-04"
    project.tell("bad", [day])
    project.run()
    assert told(project, "clean") == {("blocked", "raw is not there"): [day]}
    assert told(project, "clean@out.clean") == {("blocked", "clean is not there"): [day]}

    project.tell("bad", [])
    project.run(steps=("raw",))
    assert told(project, "clean") == {("missing", ""): [day]}
    assert told(project, "clean@out.clean") == {("blocked", "clean is not there"): [day]}, "which is still true"

    project.run()
    assert told(project, "clean") == told(project, "clean@out.clean") == {}
