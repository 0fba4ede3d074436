"""Wide paths, names, the deep path, and what is made of all of them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse
from scipy.special import expit, logit

import tagger.classifier
import tagger.deep
import tagger.logistic
from tagger.classifier import (
    FLOOR,
    PRIOR,
    STACKED,
    TagClassifier,
    TagConfig,
    expected_share,
    levelled,
    offset_to_share,
    tag_remarks,
)
from tagger.deep import DeepConfig
from tagger.errors import DataError
from tagger.job_features import JobFeatures
from tagger.splits import duplicate_groups
from tagger.stacking import Stack, fit_stack
from tagger.thresholds import Decisions, fit_decisions
from tagger.wide import PATHS, WideClassifier, WideConfig, column_scale

DEEP = DeepConfig(hidden=(8,), epochs=1, batch=32)
LINEAR = DeepConfig(hidden=(8,), epochs=0)
CONFIG = TagConfig(n_folds=2, deep_config=DEEP)
QUICK = TagConfig(n_folds=3, deep_config=LINEAR)
pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eag"),
]
Data = tuple[JobFeatures, np.ndarray]


@pytest.fixture
def data() -> Data:
    return make_data()


@pytest.fixture(scope="module")
def fitted() -> tuple[TagClassifier, Data]:
    """A classifier, and the data it was fitted on; some cells of tag 1 unknown."""
    features, Y = make_data()
    Y[10:20, 1] = -1
    return TagClassifier(CONFIG).fit(features, Y), (features, Y)


def make_data(n: int = 60, seed: int = 0) -> Data:
    """Features of jobs, and labels of three tags; tag 2 is on two jobs only.

    Tag 0 hangs on column 0 of row and terms, tag 1 on number 0 of the code, tag 2 on its name.
    """
    rng = np.random.default_rng(seed)
    rows = np.where(rng.random((n, 40)) < 0.2, 1, 0).astype(np.float32)
    rows[:, 0] = np.arange(n) % 2
    terms = np.where(rng.random((n, 12)) < 0.3, 1, 0).astype(np.float32)
    terms[:, 0] = rows[:, 0]
    codes = rng.normal(size=(n, 4)).astype(np.float32)
    names = 0.3 * rng.normal(size=(n, 3)).astype(np.float32)
    names[:2, 2] = 5
    Y = np.stack([rows[:, 0], codes[:, 0] > 0, np.arange(n) < 2], axis=1).astype(np.int8)
    return JobFeatures(sparse.csr_array(rows), sparse.csr_array(terms), names, codes), Y


def nobody(features: JobFeatures) -> JobFeatures:
    return features.take(np.zeros(0, int))


# The wide paths


def test_the_wide_paths_learn_a_tag_from_its_known_labels_alone(data: Data) -> None:
    (rows, terms, _, _), Y = data
    Y[::3, 0] = -1
    known = Y[:, 0] != -1
    masked = WideClassifier().fit(rows, terms, Y).logits(rows, terms)
    alone = WideClassifier().fit(rows[known], terms[known], Y[known]).logits(rows, terms)
    np.testing.assert_allclose(masked[:, 0], alone[:, 0], atol=1e-3)


def test_each_wide_path_finds_the_column_that_tells(data: Data) -> None:
    (rows, terms, _, _), Y = data
    fitted = WideClassifier().fit(rows, terms, Y)
    for coef in (fitted.row_coef_, *fitted.term_coef_):
        assert np.abs(coef[:, 0]).argmax() == 0
    logits = fitted.logits(rows, terms)
    assert logits.shape == (60, 3, len(PATHS))
    assert ((logits[:, 0] > 0) == (Y[:, :1] == 1)).all()


@pytest.mark.parametrize("label", [0, 1, -1])
def test_a_tag_with_one_kind_of_label_gets_zeros(data: Data, label: int) -> None:
    (rows, terms, _, _), Y = data
    Y[:, 2] = label
    fitted = WideClassifier().fit(rows, terms, Y)
    assert not fitted.row_coef_[:, 2].any()
    assert not fitted.term_coef_[0][:, 2].any()
    assert not fitted.term_coef_[1][:, 2].any()
    assert not fitted.intercept_[:, 2].any()


def test_columns_that_no_training_job_has_stay_at_zero(data: Data) -> None:
    (rows, terms, _, _), Y = data
    wider = sparse.csr_array(sparse.hstack([rows, sparse.csr_array((60, 7))], format="csr"))
    coef = WideClassifier().fit(wider, terms, Y).row_coef_
    assert coef.shape == (47, 3)
    assert not coef[40:].any()


def test_no_exact_term_leaves_the_row_alone_to_tell(data: Data) -> None:
    (rows, _, _, _), Y = data
    none = sparse.csr_array(np.zeros((60, 0), np.float32))
    logits = WideClassifier().fit(rows, none, Y).logits(rows, none)
    assert ((logits[:, 0, 0] > 0) == (Y[:, 0] == 1)).all()
    assert not np.ptp(logits[:, :, 1:], axis=0).any()


def test_scales_are_made_for_some_tags_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    terms = sparse.random_array((40, 3000), density=0.05, format="csr", rng=rng, dtype=np.float32)
    Y = (rng.random((40, 300)) < 0.3).astype(np.int8)
    config = WideConfig(n_iterations=3)  # with more, tags stop when all of their block are done
    whole = WideClassifier(config).fit(terms[:, :9], terms, Y)
    monkeypatch.setattr(tagger.logistic, "_CHUNK", 30_000)
    tracemalloc.start()
    parts = WideClassifier(config).fit(terms[:, :9], terms, Y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1.5 * sum(coef.nbytes for coef in parts.term_coef_)
    for a, b in zip(parts.term_coef_, whole.term_coef_, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    np.testing.assert_allclose(parts.intercept_, whole.intercept_, atol=1e-3)


def test_a_term_that_tells_nothing_is_held_back_and_scales_have_size_1() -> None:
    told = np.array([[0.0, 1.0], [3.0, 1.0], [1.0, 1.0]], np.float32)
    scale = column_scale(told, 0.2)
    np.testing.assert_allclose(np.sqrt((scale**2).mean(axis=0)), 1, rtol=1e-6)
    np.testing.assert_allclose(scale[:, 1], 1, rtol=1e-6)
    assert scale[0, 0] < scale[2, 0] < scale[1, 0]
    assert scale[0, 0] == pytest.approx(scale[1, 0] * (0.2 * 4 / 3) / (0.8 * 3 + 0.2 * 4 / 3))
    assert (column_scale(np.zeros((3, 2), np.float32), 0.2) == 1).all()
    assert column_scale(told, 1.0) == pytest.approx(1)


def test_folds_are_brought_to_one_level_and_keep_their_order() -> None:
    folds = np.array([0, 0, 0, 1, 1, 1])
    logits = np.array([[1.0], [2.0], [3.0], [-4.0], [-5.0], [-6.0]])
    level = levelled(logits, folds)
    assert level[folds == 0].mean() == pytest.approx(level[folds == 1].mean())
    assert level.mean() == pytest.approx(logits.mean())
    np.testing.assert_allclose(np.diff(level[:3, 0]), 1)
    np.testing.assert_allclose(np.diff(level[3:, 0]), -1)


# Honest folds


def swapped(data: Data, fold: np.ndarray) -> np.ndarray:
    """Labels where two jobs of a fold change places: how frequent each tag is stays the same."""
    other = data[1].copy()
    places = np.flatnonzero(fold)
    other[places] = data[1][places[::-1]]
    return other


@pytest.mark.parametrize("config", [QUICK, replace(QUICK, deep_config=DEEP)], ids=["linear", "net"])
@pytest.mark.parametrize("with_own", [False, True])
def test_no_labels_of_a_fold_reach_its_own_probabilities(
    data: Data, config: TagConfig, with_own: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """But for choices of a few numbers, here held still: how frequent each tag is expected to be,
    how long the networks are trained, what the stack weighs, which it learns on jobs of the other
    folds, but from paths that have seen this one; and the level that all folds are brought to, a
    number per tag that moves all jobs alike."""
    monkeypatch.setattr(
        tagger.deep._KeepBest, "_held_out_loss", lambda keep: -float(len(keep.losses))
    )
    monkeypatch.setattr(
        tagger.classifier,
        "fit_stack",
        lambda paths, Y, *, prior, **_: Stack(np.tile(prior, (3, 1)), np.zeros(3)),
    )
    features, Y = data
    own = make_data(40, seed=5)[0] if with_own else None
    first = TagClassifier(config)._folds(duplicate_groups(features.rows), config) == 0
    one, two = (
        TagClassifier(config).fit(features, labels, own) for labels in (Y, swapped(data, first))
    )
    np.testing.assert_array_equal(one.share_, two.share_)
    moved = logit(one.oof_proba_[first]) - logit(two.oof_proba_[first])
    np.testing.assert_allclose(moved, np.broadcast_to(moved[:1], moved.shape), atol=1e-6)
    assert (one.oof_proba_[~first] != two.oof_proba_[~first]).any()


def test_the_stack_of_a_fold_is_not_fitted_on_the_labels_of_that_fold(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[np.ndarray] = []

    def listening(paths: np.ndarray, Y: np.ndarray, **options: np.ndarray) -> Stack:
        asked.append(Y)
        return fit_stack(paths, Y, **options)

    monkeypatch.setattr(tagger.classifier, "fit_stack", listening)
    features, Y = data
    folds = TagClassifier(QUICK)._folds(duplicate_groups(features.rows), QUICK)
    TagClassifier(QUICK).fit(features, Y)
    expected = [Y, *(Y[folds != fold] for fold in range(3))]
    assert all((one == other).all() for one, other in zip(asked, expected, strict=True))


def test_scores_of_training_use_decisions_of_the_other_folds(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(Y: np.ndarray, logits: np.ndarray, **options: float) -> Decisions:
        asked.append(len(Y))
        return fit_decisions(Y, logits, **options)

    monkeypatch.setattr(tagger.classifier, "fit_decisions", counting)
    TagClassifier(QUICK).fit(*data)
    assert asked == [60, 40, 40, 40]


def test_repeated_postings_are_held_out_together(data: Data) -> None:
    features, _ = data
    twice = features.take(np.repeat(np.arange(60), 2))
    folds = TagClassifier(QUICK)._folds(duplicate_groups(twice.rows), QUICK)
    assert (folds[::2] == folds[1::2]).all()


# The stack


def test_every_path_can_be_the_one_that_tells(data: Data) -> None:
    features, Y = make_data(240)
    weights = TagClassifier(QUICK).fit(features, Y).weights()
    assert weights.shape == (3, len(STACKED))
    assert weights[0, :3].sum() > weights[1, :3].sum()
    assert weights[1, STACKED.index("code")] > weights[0, STACKED.index("code")]
    assert (weights >= FLOOR).all()


def test_probabilities_are_calibrated_to_lie_between_0_and_1(
    fitted: tuple[TagClassifier, Data],
) -> None:
    classifier, (features, Y) = fitted
    for proba in (classifier.oof_proba_, classifier.predict_proba(features)):
        assert proba.shape == Y.shape
        assert ((proba > 0) & (proba < 1)).all()


def test_no_tags_ranking_is_thrown_away_by_calibration(fitted: tuple[TagClassifier, Data]) -> None:
    classifier, (features, _) = fitted
    logits = classifier.decision_function(features)
    for tag in range(3):
        assert len(np.unique(logits[:, tag])) > 30
        order = logits[:, tag].argsort()
        assert (np.diff(classifier.predict_proba(features)[order, tag]) >= 0).all()


def test_obvious_tags_are_found_in_jobs_never_seen() -> None:
    features, Y = make_data(300)
    new, truth = make_data(100, seed=1)
    fitted = TagClassifier(QUICK).fit(features, Y)
    right = fitted.decisions_.decide(fitted.predict_proba(new)) == (truth == 1)
    assert right[:, 0].mean() == 1
    assert right[:, 1].mean() > 0.9


def test_the_plain_chain_has_no_wide_path(data: Data) -> None:
    features, Y = data
    fitted = TagClassifier(replace(CONFIG, wide=False)).fit(features, Y)
    blank = features._replace(rows=features.rows * 0, terms=features.terms * 0)
    assert (fitted.predict_proba(features) == fitted.predict_proba(blank)).all()
    assert (fitted.weights()[:, :-1] == 0).all()
    assert (fitted.weights()[:, -1] > 0).all()


# Few labels


def test_a_tag_with_one_example_is_learned(data: Data) -> None:
    features, Y = data
    Y[1, 2] = 0
    fitted = TagClassifier(CONFIG).fit(features, Y)
    proba = fitted.predict_proba(features)[:, 2]
    assert len(np.unique(proba)) > 30
    assert proba[0] > 2 * np.median(proba)
    assert tag_remarks(Y[:, 2:], ("a",)) == {
        "a": "1 example, under 20: scores and threshold are rough"
    }


def test_without_labels_names_rank_and_the_stated_share_decides(data: Data) -> None:
    features, _ = data
    stated = np.array([0.1, 0.5, np.nan])
    fitted = TagClassifier(CONFIG).fit(
        nobody(features),
        np.zeros((0, 3), np.int8),
        features,
        stated_share=stated,
        cautious_share=np.array([0.9, 0.9, 0.05]),
    )
    proba = fitted.predict_proba(features)
    assert not fitted.is_cross_fitted_
    np.testing.assert_allclose(proba.mean(axis=0), [0.1, 0.5, 0.05], atol=1e-3)
    assert fitted.decisions_.decide(proba).sum(axis=0).tolist() == [6, 30, 3]
    for tag in range(3):
        assert np.corrcoef(np.log(proba / (1 - proba))[:, tag], features.names[:, tag])[0, 1] > 0.9
    assert (fitted.weights() == PRIOR).all()


@pytest.mark.parametrize("n_labelled", [0, 60])
def test_a_tag_that_has_neither_an_example_nor_a_name_in_any_posting_is_never_given(
    data: Data, n_labelled: int
) -> None:
    features, Y = data
    features.names[:, 2], Y[:, 2] = 0, 0
    own = make_data(80, seed=3)[0]
    own.names[:, 2] = 0
    fitted = TagClassifier(CONFIG).fit(
        features.take(np.arange(n_labelled)),
        Y[:n_labelled],
        own,
        stated_share=np.full(3, 0.2),
    )
    assert np.isnan(fitted.decisions_.threshold).tolist() == [False, False, True]


@pytest.mark.parametrize("n", [1, 4])
def test_postings_that_are_all_alike_teach_what_they_can(data: Data, n: int) -> None:
    features, Y = data
    same, labels = features.take(np.zeros(n, int)), np.repeat(Y[:1], n, axis=0)
    fitted = TagClassifier(CONFIG).fit(same, labels, make_data(30, seed=2)[0])
    assert not fitted.is_cross_fitted_
    proba = fitted.predict_proba(features)
    assert ((proba > 0) & (proba < 1)).all()
    assert fitted.oof_proba_.shape == (n, 3)


@given(
    st.lists(st.lists(st.integers(-1, 1), min_size=2, max_size=2), min_size=1, max_size=5),
    st.sampled_from([0, 3]),
)
def test_any_few_labels_give_probabilities(labels: list[list[int]], n_own: int) -> None:
    features = make_data(8)[0]
    features = features._replace(names=features.names[:, :2])
    Y, chosen = np.array(labels, np.int8), np.arange(len(labels))
    fitted = TagClassifier(QUICK).fit(features.take(chosen), Y, features.take(np.arange(n_own)))
    proba = fitted.predict_proba(features)
    assert ((proba > 0) & (proba < 1)).all()
    assert ((fitted.oof_proba_ > 0) & (fitted.oof_proba_ < 1)).all()
    assert fitted.decisions_.decide(proba).dtype == bool


# Expected shares


def test_the_expected_share_goes_from_what_was_stated_to_what_labels_say() -> None:
    stated = np.array([0.5, 0.5, 0.5])
    Y = np.zeros((1000, 3), np.int8)
    Y[5:, 1] = -1
    Y[:, 2] = -1
    share = expected_share(Y, stated, None)
    np.testing.assert_allclose(share, [0.0025, 0.25, 0.5], atol=1e-3)


def test_a_tag_of_which_nothing_is_stated_starts_from_the_mean_of_all_tags() -> None:
    Y = np.full((100, 2), -1, np.int8)
    Y[:, 0] = np.arange(100) < 30
    share = expected_share(Y, np.full(2, np.nan), np.array([0.9, 0.9]))
    np.testing.assert_allclose(share, [0.3, 0.3], atol=0.01)


def test_without_any_label_the_cautious_share_is_expected() -> None:
    nothing = np.zeros((0, 3), np.int8)
    stated = np.array([np.nan, 0.2, np.nan])
    share = expected_share(nothing, stated, np.array([0.03, 0.1, 0]))
    np.testing.assert_allclose(share, [0.03, 0.2, 0.005])
    np.testing.assert_allclose(expected_share(nothing, stated, None), [0.05, 0.2, 0.05])


@given(
    st.lists(st.floats(-30, 30), min_size=1, max_size=20),
    st.floats(0.001, 0.999),
)
def test_an_offset_gives_a_tag_its_share(logits: list[float], share: float) -> None:
    table = np.array(logits)[:, None]
    offset = offset_to_share(table, np.array([share]))
    assert expit(table + offset).mean() == pytest.approx(share, abs=1e-3)


# Remarks and errors


@pytest.mark.parametrize(
    ("n_yes", "n_no", "remark"),
    [
        (0, 0, "no labels yet: known by its name alone, not calibrated"),
        (0, 9, "no example with it yet: known by its name alone, not calibrated"),
        (1, 9, "1 example, under 20: scores and threshold are rough"),
        (19, 9, "19 examples, under 20: scores and threshold are rough"),
        (20, 0, "no example without it: scores and threshold are rough"),
        (20, 1, None),
    ],
)
def test_few_labels_are_told_in_a_remark(n_yes: int, n_no: int, remark: str | None) -> None:
    Y = np.array([[1]] * n_yes + [[0]] * n_no + [[-1]], np.int8)
    assert tag_remarks(Y, ("a",)).get("a") == remark


def test_the_plain_chain_knows_no_tag_by_its_name(data: Data) -> None:
    features, Y = data
    Y[:, 2] = 0
    fitted = TagClassifier(replace(QUICK, wide=False)).fit(features, Y, make_data(30, seed=3)[0])
    assert np.isnan(fitted.decisions_.threshold).tolist() == [False, False, True]
    remark = "no example with it yet: not learned, never given"
    assert tag_remarks(Y, ("a", "b", "c"), by_name=False) == {"c": remark}


def test_different_numbers_of_jobs_are_an_error(data: Data) -> None:
    features, Y = data
    with pytest.raises(DataError, match="must be as many: 60, 59, 60"):
        TagClassifier(CONFIG).fit(features._replace(codes=features.codes[:-1]), Y)


def test_no_job_at_all_is_an_error(data: Data) -> None:
    features, Y = data
    with pytest.raises(DataError, match="no job to learn from, neither labelled nor unlabelled"):
        TagClassifier(CONFIG).fit(nobody(features), Y[:0])


def test_the_plain_chain_takes_labels(data: Data) -> None:
    features, Y = data
    with pytest.raises(DataError, match="the plain chain knows no names"):
        TagClassifier(replace(CONFIG, wide=False)).fit(nobody(features), Y[:0], features)


@pytest.mark.parametrize(
    "wrong",
    [{"n_folds": 1}, {"n_folds_of_many": 1}, {"review_share": -0.1}, {"review_share": 1.1}],
)
def test_a_configuration_is_valid_once_built(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="must be"):
        TagConfig(**wrong)


@pytest.mark.parametrize("wrong", [{"inverse_l2": 0}, {"evenness": 1.1}, {"n_iterations": 0}])
def test_the_wide_paths_are_valid_once_configured(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="must be"):
        WideConfig(**wrong)
