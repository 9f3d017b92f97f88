"""The pages below docs are true: what they show is what is printed, and what they name exists."""

import re

import pytest

from recoup.app.configuration.spec import SETTINGS
from tests.acceptance.pages import NEEDS_POSTGRESQL, ROOT, command_of, differences, ground, help_page, played

PAGES = sorted([ROOT / "docs" / "settings.md", *(ROOT / "docs" / "guides").glob("*.md")])
MARKED = [
    pytest.param(page, id=page.stem, marks=[pytest.mark.services] if NEEDS_POSTGRESQL in page.read_text() else [])
    for page in PAGES
]


@pytest.fixture(params=MARKED)
def page(request):
    return request.param


def test_what_it_shows_is_what_is_printed(page, tmp_path):
    text = page.read_text()
    with ground(text) as variables:
        assert differences(text, played(text, tmp_path, variables)) == []


def test_its_links_lead_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_commands_that_it_names_exist(page):
    text = page.read_text()
    for line in {*re.findall(r"`(recoup [a-z][^`]*)`", text), *re.findall(r"^\$ (recoup .*)", text, re.MULTILINE)}:
        shown = help_page(command_of(line))
        assert [flag for flag in re.findall(r"--[a-z-]+", line) if flag not in shown] == [], line


def test_the_page_of_settings_has_all_of_them():
    text = (ROOT / "docs" / "settings.md").read_text()
    named = re.findall(r"^\| `\[*(\w+)\]*` \|", text, re.MULTILINE)  # a row of the table; `[env.NAME]` is none of them
    assert named == list(SETTINGS)
