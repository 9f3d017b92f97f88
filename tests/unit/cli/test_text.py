import pytest

from recoup.cli.text import Cell, View, clean, counted, cut, duration, name_cell, ranges, size, width_of

PIPE, NARROW = View(), View(width=40)


def lines(view, *rows, indent=""):
    return list(view.columns(rows, indent))


def test_columns_are_aligned_and_a_pipe_folds_nothing():
    long = "x" * 30 + " " + "y" * 300
    assert lines(PIPE, ["a", "bb", long], ["aaa", "b", "short"]) == [f"a    bb  {long}", "aaa  b   short"]


def test_a_terminal_folds_the_last_column_below_itself():
    assert lines(NARROW, ["step", "totals: 6 of 7 there, 7 needed; missing 2024-01-17"]) == [
        "step  totals: 6 of 7 there, 7 needed;",
        "      missing 2024-01-17",
    ]


def test_a_key_is_never_cut_even_when_there_is_no_room():
    key = "2024-01-01…2024-01-31 (31)"
    shown = lines(NARROW, ["a_long_step", key, "its reason"])
    assert shown == [f"a_long_step  {key}", "      its reason"]


def test_a_name_is_cut_where_nothing_else_would_have_room():
    rows = [name_cell("carrier_delays@delays.carrier_delays"), "2013-12-31", "carrier_delays is not there"]
    assert lines(View(width=60), rows) == [
        "carrier_delays@dela…  2013-12-31  carrier_delays is not",
        "                                  there",
    ]
    for view in (PIPE, View(width=100)):
        assert lines(view, rows) == ["carrier_delays@delays.carrier_delays  2013-12-31  carrier_delays is not there"]


def test_numbers_stand_on_the_right_the_last_column_too():
    assert lines(PIPE, ["a", Cell("5", right=True)], ["b", Cell("1,095", right=True)]) == ["a      5", "b  1,095"]


def test_no_line_is_wider_than_the_terminal():
    rows = [["step", "2024-01-01", "word " * 40], ["another_step", "2024-01-01…2024-01-31 (31)", "word " * 40]]
    assert all(width_of(line) <= 60 for line in lines(View(width=60), *rows, indent="  "))


def test_colour_is_only_added_where_there_is_colour():
    assert lines(View(colour=True), [Cell("failed", "bad"), "x"]) == ["\x1b[31mfailed\x1b[0m  x"]
    assert lines(PIPE, [Cell("failed", "bad"), "x"]) == ["failed  x"]


def test_wide_letters_take_two_columns():
    assert width_of("東京") == 4
    assert width_of("e\u0301") == 1
    assert lines(PIPE, ["東京", "x"], ["acme", "x"]) == ["東京  x", "acme  x"]


def test_what_a_terminal_would_obey_is_shown_instead():
    assert clean("a\x1b[31mred\nnext\tline\r") == "a\\x1b[31mred next line"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0 ms"),
        (0.0234, "23 ms"),
        (0.9994, "999 ms"),
        (0.9996, "1.0 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.6, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (7_500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
    ],
)
def test_a_duration_in_two_units(seconds, text):
    assert duration(seconds) == text


def test_counts_and_sizes():
    assert [counted(1, "partition"), counted(1095, "partition")] == ["1 partition", "1,095 partitions"]
    assert [size(812), size(4_230_000), size(1.3e9)] == ["812 B", "4.2 MB", "1.3 GB"]


def test_cut_marks_where_it_cut():
    assert [cut("abcdef", 4), cut("abc", 4), cut("abcdef", None), cut("東京都", 4)] == ["abc…", "abc", "abcdef", "東…"]


def test_ranges_are_whole_in_a_pipe_and_a_few_on_a_terminal():
    texts = ["2024-01-01", "2024-01-03", "2024-01-05", "2024-01-07"]
    assert ranges(texts, PIPE) == "2024-01-01, 2024-01-03, 2024-01-05, 2024-01-07"
    assert ranges(texts, NARROW) == "2024-01-01 and 3 more"
    assert ranges(texts, View(width=90), 9) == "2024-01-01 and 3 more, 9 in all"
    assert ranges(texts, View(width=120), 9) == ranges(texts, PIPE)
