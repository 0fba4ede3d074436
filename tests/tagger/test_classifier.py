"""Wide path, deep path, and what is made of the two."""

import numpy as np
import pytest
from scipy import sparse

import tagger.classifier
from tagger.classifier import TagClassifier, TagConfig, tag_remarks
from tagger.deep import DeepClassifier, DeepConfig, Guessed, masked_loss
from tagger.errors import DataError
from tagger.thresholds import Decisions, fit_decisions
from tagger.wide import WideClassifier

DEEP = DeepConfig(hidden=(8,), epochs=1, batch=32)
CONFIG = TagConfig(n_folds=2, deep_config=DEEP)
pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eag"),
]
Data = tuple[sparse.csr_array, np.ndarray, np.ndarray]


@pytest.fixture
def data() -> Data:
    return make_data()


@pytest.fixture(scope="module")
def fitted() -> tuple[TagClassifier, Data]:
    """A classifier, and the data it was fitted on; some cells of tag 1 unknown."""
    X, codes, Y = make_data()
    Y[10:20, 1] = -1
    return TagClassifier(CONFIG).fit(X, codes, Y), (X, codes, Y)


def make_data() -> Data:
    """Rows (60, 40), codes (60, 4) and labels of three tags; tag 2 is on two jobs only.

    Tag 0 hangs on column 0 of the row, tag 1 on number 0 of the code.
    """
    rng = np.random.default_rng(0)
    X = np.where(rng.random((60, 40)) < 0.2, 1, 0).astype(np.float32)
    X[:, 0] = np.arange(60) % 2
    codes = rng.normal(size=(60, 4)).astype(np.float32)
    Y = np.stack([X[:, 0], codes[:, 0] > 0, np.arange(60) < 2], axis=1).astype(np.int8)
    return sparse.csr_array(X), codes, Y


# Labels nobody gave


def test_the_wide_path_learns_a_tag_from_its_known_labels_alone(data: Data) -> None:
    X, _, Y = data
    Y[::3, 0] = -1
    known = Y[:, 0] != -1
    masked, alone = WideClassifier().fit(X, Y), WideClassifier().fit(X[known], Y[known])
    assert (masked.coef_[:, 0] == alone.coef_[:, 0]).all()
    assert masked.intercept_[0] == alone.intercept_[0]


def loss_of(labels: list[list[float]], folds: list[int], logits: np.ndarray) -> np.ndarray:
    """Loss per job of two networks with the same logits (B, T); a yes of tag 1 counts five."""
    loss = masked_loss(np.array([[1, 5], [1, 5]], np.float32))
    together = np.column_stack([labels, folds])[:, None].astype(np.float32)
    return np.asarray(loss(together, np.repeat(logits[:, None].astype(np.float32), 2, axis=1)))


def test_the_loss_of_an_unknown_cell_is_nothing() -> None:
    labels, folds = [[1, -1], [-1, -1]], [0, 0]
    before = loss_of(labels, folds, np.array([[0.5, 3], [1, 1]]))
    after = loss_of(labels, folds, np.array([[0.5, -99], [-7, 8]]))
    assert (before == after).all()
    np.testing.assert_allclose(before, [np.log1p(np.exp(-0.5)), 0], rtol=1e-6)


def test_a_yes_weighs_as_much_as_asked_and_the_loss_is_a_mean_over_known_cells() -> None:
    value = loss_of([[1, 1], [0, 0]], [1, 1], np.zeros((2, 2)))
    np.testing.assert_allclose(value, np.log(2) * np.array([3, 1]), rtol=1e-6)


def test_a_job_counts_for_every_network_but_that_of_its_fold() -> None:
    value = loss_of([[0, 0], [0, 0], [0, 0]], [0, 1, -1], np.zeros((3, 2)))
    np.testing.assert_allclose(value, np.log(2) * np.array([1, 1, 2]), rtol=1e-6)


def test_a_guessed_job_counts_for_the_last_network_alone() -> None:
    logits = np.array([[[5.0], [0.0]]], np.float32)  # one job, two networks, one tag
    value = masked_loss(np.ones((2, 1), np.float32))(np.array([[[0.0, 2.0]]], np.float32), logits)
    np.testing.assert_allclose(value, np.log(2), rtol=1e-6)


def test_what_guesses_say_changes_the_paths_but_nothing_that_is_chosen(data: Data) -> None:
    X, codes, Y = data
    one, two = (
        TagClassifier(CONFIG).fit(X, codes, Y, guessed=Guessed(X[:9], codes[:9], guesses, 0.5))
        for guesses in (Y[:9], 1 - Y[:9])
    )
    assert not np.array_equal(one.wide_.coef_, two.wide_.coef_)
    assert not np.array_equal(one.deep_.arrays()["logits/bias"], two.deep_.arrays()["logits/bias"])
    np.testing.assert_array_equal(one.oof_proba_, two.oof_proba_)
    assert one.share_ == two.share_


def test_the_network_of_a_fold_has_not_seen_the_labels_of_that_fold(data: Data) -> None:
    _, codes, Y = data
    folds = np.arange(60) % 3
    turned = Y.copy()
    turned[folds == 1] = 1 - turned[folds == 1]
    one, two = (DeepClassifier(DEEP).fit(codes, labels, folds) for labels in (Y, turned))
    same = (one.held_out_logits_ == two.held_out_logits_).all(axis=1)
    assert same[folds == 1].all()
    assert not same[folds != 1].any()


def test_jobs_without_any_label_teach_the_network_nothing(data: Data) -> None:
    _, codes, Y = data
    Y[::4] = -1
    other = codes.copy()
    other[::4] = codes[::4][::-1]  # the mean and spread of all codes, which are used, stay
    one, two = (DeepClassifier(DEEP).fit(X, Y).network_.get_weights() for X in (codes, other))
    for a, b in zip(one, two, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-6)


# The mixture


def test_scores_of_training_use_decisions_of_the_other_folds(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def counting(Y: np.ndarray, logits: np.ndarray, **options: float) -> Decisions:
        asked.append(len(Y))
        return fit_decisions(Y, logits, **options)

    monkeypatch.setattr(tagger.classifier, "fit_decisions", counting)
    TagClassifier(TagConfig(n_folds=3, deep_config=DEEP)).fit(*data)
    assert asked == [60, 40, 40, 40]


def test_a_tag_with_just_enough_examples_is_learned_on_the_other_folds_too(data: Data) -> None:
    X, codes, Y = data
    Y[:, 2] = np.isin(np.arange(60), np.flatnonzero(Y[:, 0])[:5])  # five, spread over the folds
    fitted = TagClassifier(TagConfig(n_folds=3, deep_config=DEEP)).fit(X, codes, Y)
    assert not np.isnan(fitted.decisions_.threshold[2])
    assert len(np.unique(fitted.oof_proba_[:, 2])) > 3  # not just one frequency for each fold


def test_probabilities_are_calibrated_to_lie_between_0_and_1(
    fitted: tuple[TagClassifier, Data],
) -> None:
    classifier, (X, codes, Y) = fitted
    for proba in (classifier.oof_proba_, classifier.predict_proba(X, codes)):
        assert proba.shape == Y.shape
        assert ((proba > 0) & (proba < 1)).all()


def test_calibration_keeps_the_order_of_logits(fitted: tuple[TagClassifier, Data]) -> None:
    classifier, (X, codes, _) = fitted
    order = classifier.decision_function(X, codes)[:, 0].argsort()
    assert (np.diff(classifier.predict_proba(X, codes)[order, 0]) >= 0).all()


# Learning


def test_the_wide_path_finds_the_column_that_tells(data: Data) -> None:
    X, _, Y = data
    fitted = WideClassifier().fit(X, Y)
    assert np.abs(fitted.coef_[:, 0]).argmax() == 0
    assert ((fitted.decision_function(X)[:, 0] > 0) == (Y[:, 0] == 1)).all()


def test_a_tag_with_one_kind_of_label_gets_zeros(data: Data) -> None:
    X, _, Y = data
    Y[:, 2] = 0
    fitted = WideClassifier().fit(X, Y)
    assert not fitted.coef_[:, 2].any()
    assert fitted.intercept_[2] == 0


def test_networks_start_from_how_frequent_each_tag_is_outside_their_fold(data: Data) -> None:
    _, codes, Y = data
    Y[:5, 0] = -1
    folds = np.arange(60) % 3
    still = DeepConfig(hidden=(8,), epochs=1, learning_rate=1e-30, weight_decay=0)
    bias = np.asarray(DeepClassifier(still).fit(codes, Y, folds).network_.get_layer("logits").bias)
    for number in range(4):
        seen = Y[folds != number]
        prior = np.log(((seen == 1).sum(axis=0) + 1) / ((seen == 0).sum(axis=0) + 1))
        np.testing.assert_allclose(bias[number], prior, rtol=1e-5, atol=1e-6)


def test_a_rare_tag_weighs_more_up_to_the_largest_weight(data: Data) -> None:
    _, codes, Y = data  # tag 2 is on two of 60 jobs: the root of 29 is past the limit
    capped, free, none = (
        DeepClassifier(DeepConfig(hidden=(8,), epochs=2, batch=32, max_positive_weight=most))
        .fit(codes, Y)
        .decision_function(codes)
        for most in (1, 5, 50)
    )
    assert capped[:, 2].mean() < free[:, 2].mean() < none[:, 2].mean()


def test_the_network_learns(data: Data) -> None:
    _, codes, Y = data
    config = DeepConfig(hidden=(8,), epochs=12, batch=30, learning_rate=0.05, dropout=0.1)
    fitted = DeepClassifier(config).fit(codes, Y)
    right = (fitted.decision_function(codes)[:, 1] > 0) == (Y[:, 1] == 1)
    assert right.mean() > 0.85
    assert fitted.history_[-1]["loss"] < fitted.history_[0]["loss"]


def test_the_plain_chain_has_no_wide_path(data: Data) -> None:
    X, codes, Y = data
    fitted = TagClassifier(TagConfig(wide=False, n_folds=2, deep_config=DEEP)).fit(X, codes, Y)
    assert fitted.share_ == 1
    assert fitted.wide_ is None
    assert (fitted.predict_proba(X, codes) == fitted.predict_proba(X * 0, codes)).all()


# Rare tags, in the open


def test_a_rare_tag_says_so_and_is_never_given(fitted: tuple[TagClassifier, Data]) -> None:
    classifier, (X, codes, Y) = fitted
    assert np.isnan(classifier.decisions_.threshold).tolist() == [False, False, True]
    assert not classifier.decisions_.decide(classifier.predict_proba(X, codes))[:, 2].any()
    remark = "not learned: 2 yes and 58 no, it takes 5 of each"
    assert tag_remarks(Y[:, [0, 2]], ("a", "c")) == {"c": remark}


def test_few_examples_are_a_warning() -> None:
    Y = np.array([[1]] * 19 + [[0]] * 30, np.int8)
    assert tag_remarks(Y, ("a",)) == {"a": "under 20 examples: scores and threshold are rough"}


# Errors


def test_labels_that_teach_nothing_are_an_error(data: Data) -> None:
    X, codes, Y = data
    with pytest.raises(DataError, match="no tag has 5 jobs with it and 5 without: label more"):
        TagClassifier(CONFIG).fit(X, codes, Y[:, 2:])


def test_different_numbers_of_jobs_are_an_error(data: Data) -> None:
    X, codes, Y = data
    with pytest.raises(DataError, match="must be as many: 60, 59, 60"):
        TagClassifier(CONFIG).fit(X, codes[:-1], Y)


def test_postings_that_are_all_the_same_are_an_error(data: Data) -> None:
    X, codes, Y = data
    same = sparse.csr_array(np.ones(X.shape, np.float32))
    with pytest.raises(DataError, match="different"):
        TagClassifier(CONFIG).fit(same, codes, Y)


@pytest.mark.parametrize("wrong", [{"n_folds": 1}, {"review_share": -0.1}, {"review_share": 1.1}])
def test_a_configuration_is_valid_once_built(wrong: dict[str, float]) -> None:
    with pytest.raises(DataError, match="must be"):
        TagConfig(**wrong)


@pytest.mark.parametrize("wrong", [{"dropout": 1.0}, {"epochs": 0}, {"batch": 0}, {"hidden": (0,)}])
def test_a_network_is_valid_once_configured(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match="must be"):
        DeepConfig(**wrong)
