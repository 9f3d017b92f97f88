"""`recoup why`: what is wrong now, by cause, and what ended it the last time."""

import pytest

SHOP = """
shop = rc.Pipeline("shop", partitions=rc.Daily("2024-01-01", "2024-01-10"), retry=rc.Retry(1))
there = rc.Source("there", shop.partitions, probe=lambda key: key not in told("gone"))


@shop.step
def orders(ctx, there=there):
    if ctx.partition in told("broken"):
        raise ZeroDivisionError("division by zero")
    if ctx.partition in told("offline"):
        raise ConnectionRefusedError(f"nobody answers for {ctx.partition}")


@shop.step
def totals(ctx, orders): ...


@shop.step
def prices(ctx):
    if ctx.partition in told("odd"):
        raise LookupError(ctx.partition)
"""


def make(project, **broken):
    project.declare("shop", SHOP)
    tell(project, **broken)


def tell(project, **broken):
    for name in ("broken", "offline", "odd", "gone"):
        project.write(name, " ".join(f"2024-01-{day}" for day in broken.get(name, ())))


def told(places):
    return {place["step"]: place["ranges"] for place in places}


@pytest.mark.runbook("B-02", "B-41")
def test_failures_are_grouped_by_cause_with_what_they_block(project):
    make(project, broken=["02", "03"], offline=["05"], odd=["03", "09"])
    assert project.recoup("run", "shop").returncode == 1
    answer = project.answer("why", "shop")

    assert (answer["exit_code"], answer["failed"], answer["pipelines"]) == (0, 5, ["shop"])
    causes = {cause["kind"] + cause["where"][0]["step"]: cause for cause in answer["causes"]}
    assert causes.keys() == {"logicorders", "networkorders", "logicprices"}
    division = causes["logicorders"]
    assert division["message"] == "ZeroDivisionError: division by zero"
    assert division["advice"].startswith("Fix the step's code")
    assert told(division["where"]) == {"orders": [["2024-01-02", "2024-01-03"]]}
    assert told(division["blocks"]) == {"totals": [["2024-01-02", "2024-01-03"]]}
    assert division["evidence"]["place"].startswith("orders:")
    assert told(causes["networkorders"]["blocks"]) == {"totals": [["2024-01-05", "2024-01-05"]]}
    # A step that fails stops no sibling.
    assert told(causes["logicprices"]["where"]) == {
        "prices": [["2024-01-03", "2024-01-03"], ["2024-01-09", "2024-01-09"]]
    }
    assert causes["logicprices"]["blocks"] == []
    assert [cause["last_at"] for cause in answer["causes"]] == sorted(
        (cause["last_at"] for cause in answer["causes"]), reverse=True
    )
    assert all(cause["seen_before"] is None for cause in answer["causes"])


@pytest.mark.runbook("B-39")
def test_of_one_partition_each_failed_step_by_name(project):
    make(project, broken=["03"], odd=["03", "09"])
    project.recoup("run", "shop")

    of_one = project.answer("why", "shop", "2024-01-03")["causes"]
    assert {place["step"] for cause in of_one for place in cause["where"]} == {"orders", "prices"}
    assert project.answer("why", "2024-01-04")["causes"] == []
    result = project.recoup("why", "shop", "2024-01-03")
    assert result.returncode == 0
    for word in ("orders", "prices", "failed(logic)", "division by zero", "Fix the step's code"):
        assert word in result.stdout


def test_only_what_is_wrong_now_and_what_ended_it_the_last_time(project):
    make(project, offline=["05"])
    project.recoup("run", "shop")
    [cause] = project.answer("why", "shop")["causes"]
    tell(project)
    project.recoup("run", "shop")
    assert project.answer("why", "shop")["causes"] == []
    assert "nothing is wrong" in project.recoup("why").stdout

    tell(project, offline=["07"])
    project.recoup("publish", "rollback", "shop.orders", "2024-01-07", "--yes")
    project.recoup("run", "shop", "2024-01-07", "--step", "orders")
    [again] = project.answer("why", "shop")["causes"]
    assert again["group"] == cause["group"]
    seen = again["seen_before"]
    assert (seen["step"], seen["partition"], seen["fixed_by"]) == (
        "orders",
        "2024-01-05",
        "it passed by itself, at try 2",
    )
    assert "seen before: orders 2024-01-05" in project.recoup("why").stdout


def test_a_change_of_the_code_is_what_fixed_it(project):
    make(project, broken=["02"])
    project.recoup("run", "shop")
    project.declare("shop", SHOP.replace('raise ZeroDivisionError("division by zero")', "return"))
    project.recoup("run", "shop")
    project.declare("shop", SHOP)
    tell(project, broken=["06"])
    project.recoup("publish", "rollback", "shop.orders", "2024-01-06", "--yes")
    project.recoup("run", "shop", "2024-01-06", "--step", "orders")

    [cause] = project.answer("why", "shop")["causes"]
    assert cause["seen_before"]["fixed_by"] == "the step's code was changed"


@pytest.mark.runbook("B-12")
def test_what_is_blocked_from_outside_is_a_cause_of_its_own(project):
    make(project, gone=["04"])
    assert project.recoup("run", "shop").returncode == 1
    [cause] = project.answer("why", "shop")["causes"]

    assert (cause["kind"], cause["message"]) == ("blocked", "there has no such partition")
    assert told(cause["where"]) == {"orders": [["2024-01-04", "2024-01-04"]]}
    assert told(cause["blocks"]) == {"totals": [["2024-01-04", "2024-01-04"]]}
    assert cause["advice"].startswith("Fill the gap first")


def test_a_run_and_a_group_can_be_asked_about(project):
    make(project, broken=["03"], odd=["03", "09"])
    project.recoup("run", "shop")
    causes = project.answer("why")["causes"]
    odd = next(cause for cause in causes if cause["where"][0]["step"] == "prices")

    assert [cause["group"] for cause in project.answer("why", odd["group"])["causes"]] == [odd["group"]]
    assert [cause["group"] for cause in project.answer("why", "shop", odd["group"][:8])["causes"]] == [odd["group"]]
    of_run = project.answer("why", odd["run_id"])["causes"]
    assert odd["group"] in {cause["group"] for cause in of_run}
    assert all(place["count"] == 1 for cause in of_run for place in cause["where"])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("nix",), "nix"),
        (("shop", "2024-13-01"), "2024-13-01"),
        (("shop", "2024-01-01", "2024-01-02"), "'2024-01-02' is one word too many"),
        (("01a213a7-322d-7084-bc72-1266643e4b20",), "there is no run 01a213a7"),
    ],
)
def test_what_cannot_be_asked(project, words, told):
    make(project)
    result = project.recoup("why", *words)
    assert result.returncode == 2
    assert told in result.stderr
    assert "help:" in result.stderr
    assert "Traceback" not in result.stderr
