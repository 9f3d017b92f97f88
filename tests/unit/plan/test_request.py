"""Equal wishes are equal, whoever states them."""

import json

import pytest

from recoup.model.errors import UsageError
from recoup.plan.request import Only, Order, Place, Request, parse_only


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ("missing", [Only.MISSING]),
        ("stale,missing", [Only.MISSING, Only.STALE]),
        (" failed , missing ,", [Only.MISSING, Only.FAILED]),
        ("missing,missing", [Only.MISSING]),
        (("stale", "failed", "missing"), [Only.MISSING, Only.FAILED, Only.STALE]),
    ],
)
def test_the_words_of_only(words, meant):
    assert parse_only(words) == tuple(meant)


@pytest.mark.parametrize(
    ("words", "wrong"),
    [("", "nothing"), (" , ", "nothing"), ("all", "all"), ("missing,Failed", "Failed"), ((), "nothing")],
)
def test_words_that_only_does_not_know(words, wrong):
    with pytest.raises(UsageError, match=f"--only does not know '{wrong}'") as raised:
        parse_only(words)
    assert raised.value.remedy == "choose from missing, failed, stale, separated by commas"


def test_a_wrong_word_is_shown_in_part():
    with pytest.raises(UsageError) as raised:
        parse_only("x" * 10_000)
    assert len(raised.value.message) < 150


def test_what_is_asked_by_default():
    request = Request("flights")

    assert request.only == (Only.MISSING, Only.FAILED)
    assert (request.order, request.as_of_mode, request.include_upstream) == (Order.OLDEST, "now", False)


PLACES = (Place("orders", (("2024-01-02", "2024-01-04"), ("2024-01-09", "2024-01-09"))), Place("week", (), "lost"))
WISHES = [
    Request("flights"),
    Request("flights", places=PLACES),
    Request("games"),
    Request("flights", start="2013-01-01"),
    Request("flights", end="2013-01-01"),
    Request("flights", partitions=("2013-01-01",)),
    Request("flights", partitions=("2013-01-01", "2013-01-02")),
    Request("flights", only=(Only.STALE,)),
    Request("flights", steps=("clean",)),
    Request("flights", exclude=("2013-01-01",)),
    Request("flights", include_upstream=True),
    Request("flights", order=Order.NEWEST),
    Request("flights", as_of_mode="partition-end"),
]


@pytest.mark.parametrize("request_", WISHES, ids=repr)
def test_there_and_back(request_):
    again = Request.from_json(json.loads(json.dumps(request_.to_json())))

    assert again == request_
    assert again.digest == request_.digest
    assert isinstance(again.order, Order)
    assert all(isinstance(word, Only) for word in again.only)


def test_other_wishes_have_other_digests():
    assert len({request.digest for request in WISHES}) == len(WISHES)
    assert Request("flights").digest == Request("flights").digest


def test_places_say_all_that_is_meant():
    with pytest.raises(UsageError, match="both places and another scope"):
        Request("flights", start="2024-01-01", places=PLACES)
    # What was asked before there were any is the same wish still: `--resume` finds it.
    assert "places" not in Request("flights").to_json()
