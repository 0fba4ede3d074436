import numpy as np
import pytest
from sklearn import metrics as known

from matcher.scoring import (
    by_percentile,
    calibration_rows,
    curves,
    mean_scores,
    pair_scores,
    question_values,
    resampled_means,
)

rng = np.random.default_rng(0)
Y = rng.random(400) < 0.3
PROBA = np.round(np.clip(0.3 + 0.25 * Y + rng.normal(scale=0.2, size=400), 0, 1), 2)
PEOPLE = np.sort(rng.integers(50, size=400))


def scored(y=Y, scores=PROBA, people=PEOPLE, probabilities=True, seed=0):
    return pair_scores(y, scores, people, are_probabilities=probabilities, seed=seed)


def test_scores_of_pairs_are_those_of_scikit_learn():
    found = scored()
    assert found["auc"].value == pytest.approx(known.roc_auc_score(Y, PROBA))
    assert found["average_precision"].value == pytest.approx(
        known.average_precision_score(Y, PROBA)
    )
    assert found["accuracy"].value == pytest.approx(known.accuracy_score(Y, PROBA >= 0.5))
    clipped = np.clip(PROBA, 1e-7, 1 - 1e-7)
    assert found["log_loss"].value == pytest.approx(known.log_loss(Y, clipped))
    assert 0 < found["calibration_error"].value < 0.5


def test_intervals_hold_the_score():
    for name, score in scored().items():
        if name != "calibration_error":
            assert score.low < score.value < score.high


def test_whole_candidates_are_drawn_so_repeated_pairs_do_not_narrow_an_interval():
    once = scored()["auc"]
    again = scored(np.tile(Y, 9), np.tile(PROBA, 9), np.tile(PEOPLE, 9))["auc"]
    assert again.high - again.low == pytest.approx(once.high - once.low)


def test_scores_that_are_no_probabilities_have_no_accuracy_and_no_loss():
    assert set(scored(scores=PROBA * 7, probabilities=False)) == {
        "auc",
        "average_precision",
        "gauc",
    }


def test_one_answer_leaves_the_area_undefined():
    found = scored(np.ones(4, bool), np.arange(4) / 4, np.arange(4))
    assert np.isnan(found["auc"].value)
    assert np.isnan(found["gauc"].value)
    assert found["average_precision"].value == 1
    assert scored(np.zeros(0, bool), np.zeros(0), np.zeros(0, int)) == {}


def test_nan_is_the_lowest_score():
    found = scored(np.array([True, False]), np.array([np.nan, 0.1]), np.array([0, 0]))
    assert found["auc"].value == 0
    assert found["log_loss"].value > 5


def test_curves_end_in_their_corners_and_have_the_area():
    found = curves(Y, PROBA)
    roc, pr = np.array(found["roc"]), np.array(found["pr"])
    assert roc[[0, -1]].tolist() == [[0, 0], [1, 1]]
    assert pr[-1].tolist() == [1, pytest.approx(Y.mean(), abs=1e-5)]
    assert np.trapezoid(roc[:, 1], roc[:, 0]) == pytest.approx(
        known.roc_auc_score(Y, PROBA), abs=1e-3
    )
    assert (np.diff(roc, axis=0) >= 0).all()
    many = curves(rng.random(9000) < 0.5, rng.random(9000))
    assert len(many["roc"]) < 130


def test_without_both_answers_there_is_no_curve():
    assert curves(np.ones(3, bool), np.arange(3.0)) == {"roc": [], "pr": []}


def test_calibration_rows_hold_every_pair():
    rows = calibration_rows(Y, PROBA)
    assert sum(row["pairs"] for row in rows) == 400
    assert all(0 <= row["came"] <= 1 for row in rows)


RANKS, RIVALS = np.array([1.0, 3.0, 12.0, 100.0]), np.full(4, 100.0)


def test_values_at_k_by_hand():
    values = question_values(RANKS, RIVALS, (1, 10))
    assert values["hit_rate@10"].tolist() == [1, 1, 0, 0]
    assert values["precision@10"].tolist() == [0.1, 0.1, 0, 0]
    assert values["ndcg@10"].tolist() == [1, 0.5, 0, 0]
    assert values["mrr@1"].tolist() == [1, 0, 0, 0]
    assert values["rank_auc"].tolist() == pytest.approx([1, 97 / 99, 88 / 99, 0])


def test_means_have_intervals_and_the_same_seed_gives_them_again():
    values = question_values(RANKS, RIVALS, (10,))
    found = mean_scores(values, seed=1)
    assert found["hit_rate@10"].value == 0.5
    assert found["hit_rate@10"].low < 0.5 < found["hit_rate@10"].high
    assert found == mean_scores(values, seed=1)


def test_resampled_means_scatter_as_a_mean_does():
    values = rng.normal(size=(500, 2))
    samples = resampled_means(values, seed=0)
    assert samples.shape == (1000, 2)
    expected = values.std(axis=0) / np.sqrt(500)
    np.testing.assert_allclose(samples.std(axis=0), expected, rtol=0.1)


def test_percentiles_by_hand():
    rows = {row["percent"]: row for row in by_percentile(RANKS, RIVALS)}
    assert rows[1] == {"percent": 1, "precision": 0.25, "recall": 0.25, "mrr": 0.25}
    assert rows[5]["precision"] == pytest.approx(2 / 5 / 4)
    assert rows[5]["mrr"] == pytest.approx((1 + 1 / 3) / 4)
    assert rows[100]["recall"] == 1


def test_of_a_few_jobs_at_least_one_is_shown():
    assert by_percentile(np.array([1.0]), np.array([3.0]))[0]["precision"] == 1
