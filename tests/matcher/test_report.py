import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from matcher.evaluate import evaluate
from matcher.popularity import Popularity
from matcher.report import render_report, write_report
from matcher.splits import split
from tagger.errors import DataError
from tests.matcher.made_up import made_up, slow
from tests.matcher.models import NeedsText, Saved, Tastes

SECTIONS = {
    *("ranking", "shown", "percentiles", "cold", "pairs", "curves"),
    *("calibration", "coverage", "cost", "notes", "reading"),
}
NAUGHTY = "<script>alert('x')</script> & $\\frac{$"


class Page(HTMLParser):
    """Ids, links and text of a page, and whether each tag was closed."""

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
def evaluation():
    data = made_up()
    models = {"popularity": Popularity(), NAUGHTY: Tastes(), NAUGHTY + "2": NeedsText()}
    found = evaluate(models, data, split(data))
    failed = replace(found.models[2], failure=NAUGHTY)
    return replace(found, notes=(*found.notes, NAUGHTY), models=(*found.models[:2], failed))


@pytest.fixture(scope="module")
def page(evaluation):
    return render_report(evaluation)


def test_every_section_is_there_and_in_the_contents(page):
    parsed = Page(page)
    assert set(parsed.ids) >= SECTIONS
    assert {link.removeprefix("#") for link in parsed.links} >= SECTIONS
    assert parsed.open == []


def test_the_report_loads_nothing_and_runs_nothing(page):
    parsed = Page(page)
    assert all(link.startswith("#") for link in parsed.links)
    assert not {"script", "link", "iframe", "object", "img"} & set(parsed.names)
    assert not re.search(r"https?:|@import|url\((?!#)", page)


def test_text_of_the_user_is_escaped_everywhere(page):
    assert "<script" not in page
    assert sum(NAUGHTY in text for text in Page(page).texts) > 10
    assert "nan" not in re.findall(r">([^<]*)<", page)


def test_ids_are_unique_and_the_plots_refer_to_their_own(page):
    ids = Page(page).ids
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', page)) <= set(ids)


def test_every_picture_is_described_and_takes_the_colours_of_the_page(page):
    images = Page(page).images
    assert len(images) == 2 * 2 + 2 * 2 + 1  # percentiles, ROC and PR, calibration
    assert all(image["aria-label"] for image in images)
    assert "var(--accent)" in page
    assert "#0102" not in page


def test_the_best_model_stands_first_with_the_baselines_beside(page, evaluation):
    text = " ".join(Page(page).texts).partition("learned from")[2]
    best = evaluation.ranked[0].ranking["ndcg@10"].value
    assert 0 < text.index(f"{best:.3f}") < text.index("baseline")
    assert f"{evaluation.majority:.3f}" in text


def test_both_protocols_have_columns(page):
    assert "NDCG@10<br>frozen" in page
    assert "what was known when the training ended" in page


def test_models_without_probabilities_have_no_calibration(evaluation):
    parsed = Page(render_report(replace(evaluation, models=evaluation.models[:1])))
    assert set(parsed.ids) & SECTIONS == SECTIONS - {"calibration"}


def test_when_no_model_could_be_used_the_reasons_remain(evaluation):
    bare = replace(evaluation, models=evaluation.models[2:], reference="")
    parsed = Page(render_report(bare))
    assert set(parsed.ids) & SECTIONS == {"notes", "reading"}
    assert any("was not used" in text for text in parsed.texts)


@pytest.mark.parametrize("times", [True, False])
def test_bare_data_give_a_report(times, tmp_path):
    data = made_up(times=times, codes=False, fields=False, actions=("apply",))
    path = tmp_path / "new" / "report.html"
    write_report(path, evaluate({"popularity": Popularity()}, data, split(data), ks=(3,)))
    assert [found.name for found in tmp_path.rglob("*.*")] == ["report.html"]
    assert Page(path.read_text("utf-8")).open == []


def test_two_reports_of_one_evaluation_are_equal(page, evaluation):
    assert render_report(evaluation) == page


def test_a_report_that_cannot_be_written_says_so(evaluation, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    with pytest.raises(DataError, match="can't write the report to"):
        write_report(Path("folder"), evaluation)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


def test_pairs_under_way_have_a_table_of_their_own():
    data = slow()
    found = evaluate({"popularity": Popularity(), NAUGHTY: Saved()}, data, split(data))
    parsed = Page(render_report(found))
    assert parsed.open == []
    assert "underway" in parsed.ids
    assert "#underway" in parsed.links
    text = " ".join(parsed.texts).partition("What the two had done by then")[2]
    assert 0 < text.index(NAUGHTY) < text.index("popularity") < text.index("0.667")
