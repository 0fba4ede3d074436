import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from tagger import report
from tagger.bootstrap import paired_bootstrap, resample
from tagger.errors import DataError
from tagger.report import Evaluation, render_report, write_report

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


def make_evaluation(n_jobs=60, n_tags=3, **changes):
    """An evaluation with every part present; the last tag is carried by no job."""
    rng = np.random.default_rng(0)
    Y = (rng.random((n_jobs, n_tags)) < 0.4).astype(np.int8)
    Y[:, -1] = 0
    P = np.clip(0.3 + 0.3 * Y + 0.3 * rng.normal(size=Y.shape), 0, 1)
    epochs = [{"epoch": i, "loss": 1 / i, "val_loss": 1.2 / i} for i in range(1, 5)]
    parts = {
        "tags": [f"tag-{t}" for t in range(n_tags)],
        "Y": Y,
        "proba": P,
        "decisions": P >= 0.5,
        "thresholds": np.array([0.5] * (n_tags - 1) + [np.nan]),
        "review": abs(P - 0.5) < 0.1,
        "bands": np.tile([0.4, 0.6], (n_tags, 1)),
        "groups": np.arange(n_jobs) // 2,
        "baselines": {"all negative": (np.zeros_like(P), np.zeros_like(P, dtype=bool))},
        "codes": rng.normal(size=(n_jobs, 8)),
        "histories": {"autoencoder": epochs, "classifier": epochs},
        "remarks": {"tag-0": "a remark"},
        "info": {"Data": "made up"},
        "n_samples": 20,
    }
    return Evaluation(**parts | changes)


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
def page():
    evaluation = make_evaluation(
        tags=[NAUGHTY, "sales", "none"],
        remarks={NAUGHTY: NAUGHTY},
        info={NAUGHTY: NAUGHTY},
        histories={NAUGHTY: [{"epoch": 1, "loss": 0.5}]},
        name=NAUGHTY,
    )
    return render_report(evaluation)


@pytest.fixture(scope="module")
def plain_page():
    return render_report(make_evaluation())


def test_every_section_is_there_and_in_the_contents(plain_page):
    page = Page(plain_page)
    assert set(page.ids) >= SECTIONS
    assert {link.removeprefix("#") for link in page.links} >= SECTIONS
    assert page.open == []


def test_sections_without_data_are_left_out():
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


def test_an_evaluation_without_any_known_label_still_gives_a_report():
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


def test_the_headline_stands_before_the_baselines(plain_page):
    text = " ".join(Page(plain_page).texts)
    headline = f"{make_evaluation().summary.mean_average_precision:.3f}"
    assert 0 < text.index(headline) < text.index("all negative")
    assert text.index("all negative") < text.index("Accuracy")


def test_a_large_report_is_one_file_below_3_megabytes(tmp_path):
    rng = np.random.default_rng(0)
    large = make_evaluation(1000, 16, codes=rng.normal(size=(1000, 100)))
    write_report(tmp_path / "new" / "report.html", large)
    assert [p.name for p in tmp_path.rglob("*.*")] == ["report.html"]
    assert (tmp_path / "new" / "report.html").stat().st_size < 3_000_000


def test_two_reports_of_one_evaluation_are_equal(plain_page):
    assert render_report(make_evaluation()) == plain_page


def test_a_report_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(DataError, match="can't write the report to"):
        write_report(tmp_path, make_evaluation())


def test_score_rows_lead_with_ours_and_tell_how_far_it_is_ahead():
    evaluation = make_evaluation()
    ours, other = evaluation.score_rows
    assert (ours["method"], other["method"]) == ("jobtool", "all negative")
    assert ours["ahead"] is None
    gap = ours["mean_average_precision"] - other["mean_average_precision"]
    assert other["ahead"] == pytest.approx(gap)
    methods = (evaluation.baselines["all negative"], (evaluation.proba, evaluation.decisions))
    a, b = (resample(evaluation.Y, *m, groups=evaluation.groups, n_samples=20) for m in methods)
    paired = paired_bootstrap(a, b)
    assert other["ahead_low"] == paired.mean_average_precision.low
    assert other["ahead_low"] < gap < other["ahead_high"]


def test_tag_rows_carry_the_scores_and_explain_a_tag_that_has_none():
    evaluation = make_evaluation()
    first, _, none = evaluation.tag_rows
    assert first["f1"] == evaluation.tag_scores[0].f1
    assert (first["threshold"], first["remark"]) == (0.5, "a remark")
    assert none["average_precision"] is None
    assert (none["threshold"], none["remark"]) == (None, "no job is known to carry it")


def test_threshold_rows_count_the_jobs_left_to_a_person():
    evaluation = make_evaluation()
    row = evaluation.threshold_rows[0]
    assert (row["low"], row["high"]) == (0.4, 0.6)
    assert row["review"] == evaluation.review[:, 0].sum() > 0
    assert row["review_share"] == row["review"] / 60


def test_confusion_rows_name_the_most_frequent_pairs_first():
    evaluation = make_evaluation()
    rows = evaluation.confusion_rows()
    jobs = [row["jobs"] for row in rows]
    assert jobs == sorted(jobs, reverse=True)
    assert jobs[0] == evaluation.confusion_counts.max()
    assert 0 not in jobs
    assert evaluation.confusion_rows(limit=1) == rows[:1]


def test_json_holds_plain_numbers_and_none_for_what_is_not_defined():
    plain = make_evaluation().to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["tags"][-1]["average_precision"] is None
    assert plain["summary"]["n_jobs"] == 60


def test_more_tags_than_fit_a_table_show_the_list_of_confusions_alone(monkeypatch):
    monkeypatch.setattr(report, "MAX_CONFUSION_COLUMNS", 2)
    page = Page(render_report(make_evaluation()))
    assert "The most frequent pairs" in page.texts
    assert "Row: the tag that was missed. Column: the tag given wrongly." not in page.texts


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tags": ["one"]}, r"tags must have shape \(3,\), got \(1,\)"),
        ({"thresholds": np.zeros(2)}, r"thresholds must have shape \(3,\)"),
        ({"bands": np.zeros((3, 3))}, r"bands must have shape \(3, 2\)"),
        ({"review": np.zeros((2, 3), bool)}, r"review must have shape \(60, 3\)"),
        ({"groups": np.arange(5)}, r"groups must have shape \(60,\)"),
        ({"codes": np.zeros((5, 8))}, r"codes must have shape \(60, 8\), got \(5, 8\)"),
        ({"proba": np.full((60, 3), 2.0)}, "probabilities must lie"),
        (
            {"baselines": {"prior": (np.zeros((60, 2)), np.zeros((60, 2), bool))}},
            "P must have the shape of Y",
        ),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(changes, message):
    with pytest.raises(DataError, match=message):
        make_evaluation(**changes)
