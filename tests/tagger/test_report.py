import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tagger import report
from tagger.errors import DataError
from tagger.report import render_report, write_report

SECTIONS = {
    "scores",
    "tags",
    "curves",
    "calibration",
    "thresholds",
    "confusions",
    "codes",
    "learning",
    "reading",
}
NAUGHTY = "<script>alert('x')</script> & $\\frac{$"


class Page(HTMLParser):
    """Tags, ids, links and text of a page, and whether each tag was closed."""

    def __init__(self, text):
        super().__init__()
        self.names, self.ids, self.links, self.texts, self.images = [], [], [], [], []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.names.append(tag)
        self.ids += [attributes["id"]] if "id" in attributes else []
        self.links += [v for k, v in attrs if k in {"href", "src", "srcset", "data", "action"}]
        if tag in {"svg", "img"}:
            self.images.append(attributes)
        if tag not in {"meta", "img", "br", "wbr"}:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        self.handle_endtag(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def page(make_evaluation):
    evaluation = make_evaluation(
        tags=[NAUGHTY, "sales", "none"],
        remarks={NAUGHTY: NAUGHTY},
        info={NAUGHTY: NAUGHTY},
        histories={NAUGHTY: [{"epoch": 1, "loss": 0.5}]},
        name=NAUGHTY,
    )
    return render_report(evaluation)


@pytest.fixture(scope="module")
def plain_page(make_evaluation):
    return render_report(make_evaluation())


def test_every_section_is_there_and_in_the_contents(plain_page):
    page = Page(plain_page)
    assert set(page.ids) >= SECTIONS
    assert {link.removeprefix("#") for link in page.links} >= SECTIONS
    assert page.open == []


def test_sections_without_data_are_left_out(make_evaluation):
    bare = make_evaluation(
        codes=None, histories={}, baselines={}, review=None, bands=None, groups=None, info={}
    )
    certain = replace(bare, decisions=bare.Y == 1)
    page = Page(render_report(certain))
    assert SECTIONS - set(page.ids) == {"codes", "learning", "confusions"}
    text = " ".join(page.texts)
    assert "is ahead by" not in text
    assert "Review from" not in text
    assert "Jobs to review" not in text


def test_an_evaluation_without_any_known_label_still_gives_a_report(make_evaluation):
    evaluation = make_evaluation(Y=np.full((60, 3), -1, np.int8))
    page = Page(render_report(evaluation))
    assert SECTIONS - set(page.ids) == {"curves", "calibration", "confusions", "codes"}
    assert "no known labels" in page.texts


def test_the_report_loads_nothing_and_runs_nothing(page):
    parsed = Page(page)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in parsed.links)
    assert not {"script", "link", "iframe", "object"} & set(parsed.names)
    assert not re.search(r"https?:|@import|url\((?!#)", page)


def test_text_of_the_user_is_escaped_everywhere(page):
    assert "<script" not in page
    # Caption, row and column headings, remark, method, info: shown as it was written.
    assert sum(NAUGHTY in text for text in Page(page).texts) >= 8


def test_ids_are_unique_and_the_plots_refer_to_their_own(page):
    ids = Page(page).ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page)) <= set(ids)


def test_every_picture_is_described(page):
    images = Page(page).images
    assert len(images) > 4
    assert all(image.get("alt") or image.get("aria-label") for image in images)


def test_plots_take_their_colours_from_the_page(page):
    assert "var(--accent)" in page
    assert "#0102" not in page


def test_the_headline_stands_before_the_baselines(make_evaluation, plain_page):
    text = " ".join(Page(plain_page).texts)
    headline = f"{make_evaluation().summary.mean_average_precision:.3f}"
    assert 0 < text.index(headline) < text.index("all negative")
    assert text.index("all negative") < text.index("Accuracy")


def test_a_large_report_is_one_file_below_3_megabytes(make_evaluation, tmp_path):
    rng = np.random.default_rng(0)
    large = make_evaluation(1000, 16, codes=rng.normal(size=(1000, 100)))
    write_report(tmp_path / "new" / "report.html", large)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["report.html"]
    assert (tmp_path / "new" / "report.html").stat().st_size < 3_000_000


def test_two_reports_of_one_evaluation_are_equal(make_evaluation, plain_page):
    assert render_report(make_evaluation()) == plain_page


@pytest.mark.parametrize("place", ["folder", ".", "file/report.html"])
def test_a_report_that_cannot_be_written_says_so_and_leaves_nothing(
    make_evaluation, tmp_path, monkeypatch, place
):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("file").touch()
    with pytest.raises(DataError, match="can't write the report to"):
        write_report(Path(place), make_evaluation())
    assert sorted(map(str, Path().rglob("*"))) == ["file", "folder"]


def test_more_tags_than_fit_a_table_show_the_list_of_confusions_alone(make_evaluation, monkeypatch):
    monkeypatch.setattr(report, "MAX_CONFUSION_COLUMNS", 2)
    page = Page(render_report(make_evaluation()))
    assert "The most frequent pairs" in page.texts
    assert "Row: the tag that was missed. Column: the tag given wrongly." not in page.texts
