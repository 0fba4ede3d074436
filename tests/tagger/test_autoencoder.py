"""The autoencoder: repeatable, never worse than where it starts."""

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from tagger.autoencoder import AutoencoderConfig, JobAutoencoder, reconstruction_cosine
from tagger.errors import DataError

pytestmark = [
    pytest.mark.usefixtures("eager"),
    pytest.mark.filterwarnings("ignore:Even though the `tf.config.experimental_run_functions_eag"),
]
SHAPE = {"code": 5, "channels": 4, "filters": (2, 2), "hidden": (8,), "batch": 32}
TINY = AutoencoderConfig(**SHAPE, epochs=1, learning_rate=1e-3)


def make_rows(n: int, seed: int) -> sparse.csr_array:
    """Rows (n, 64) of two kinds, each with its own half of the columns."""
    rng = np.random.default_rng(seed)
    rows = np.abs(rng.normal(size=(n, 64))) * (rng.random((n, 64)) < 0.3)
    rows[: n // 2, :32] = rows[n // 2 :, 32:] = 0
    return sparse.csr_array(rows.astype(np.float32))


@pytest.fixture(scope="module")
def rows() -> sparse.csr_array:
    return make_rows(60, 0)


@pytest.fixture(scope="module")
def log_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `fitted` writes its learning curve."""
    return tmp_path_factory.mktemp("logs") / "new"


@pytest.fixture(scope="module")
def fitted(rows: sparse.csr_array, log_dir: Path) -> JobAutoencoder:
    return JobAutoencoder(TINY, seed=1).fit(rows, log_dir=log_dir)


@pytest.fixture(scope="module")
def start(rows: sparse.csr_array) -> JobAutoencoder:
    """An autoencoder whose weights hardly left their start."""
    return JobAutoencoder(AutoencoderConfig(**SHAPE, epochs=1, learning_rate=1e-12)).fit(rows)


def weights(autoencoder: JobAutoencoder) -> list[np.ndarray]:
    return [*autoencoder.encoder_.get_weights(), *autoencoder.decoder_.get_weights()]


def same(a: JobAutoencoder, b: JobAutoencoder) -> bool:
    return all((x == y).all() for x, y in zip(weights(a), weights(b), strict=True))


def test_same_seed_same_weights(rows: sparse.csr_array, fitted: JobAutoencoder) -> None:
    before = rows.copy()
    assert same(JobAutoencoder(TINY, seed=1).partial_fit(rows), fitted)  # the first is a fit
    assert (rows != before).nnz == 0


def test_codes_and_reconstructions_have_their_shapes(
    rows: sparse.csr_array, fitted: JobAutoencoder
) -> None:
    assert fitted.encode(rows).shape == (60, 5)
    assert fitted.reconstruct(rows).shape == (60, 64)
    assert np.isfinite(fitted.reconstruct(rows)).all()


def test_the_numpy_encoder_is_the_trained_network(
    rows: sparse.csr_array, fitted: JobAutoencoder
) -> None:
    expected = np.asarray(fitted.encoder_(rows.toarray()[:, fitted.order_]))
    np.testing.assert_allclose(fitted.encode(rows), expected, rtol=1e-5, atol=1e-5)


def test_it_starts_near_the_best_linear_code(rows: sparse.csr_array, start: JobAutoencoder) -> None:
    kept = (start.encode(rows) ** 2).sum()
    best = (np.linalg.svd(rows.toarray(), compute_uv=False)[:5] ** 2).sum()
    assert 0.9 * best < kept <= 1.0001 * best


def test_training_that_does_harm_is_undone(rows: sparse.csr_array, start: JobAutoencoder) -> None:
    wild = JobAutoencoder(AutoencoderConfig(**SHAPE, epochs=2, learning_rate=3.0)).fit(rows)
    losses = [row["val_loss"] for row in wild.history_]
    assert min(losses[1:]) > losses[0]
    np.testing.assert_allclose(wild.encode(rows), start.encode(rows), atol=1e-5)


def test_training_helps(rows: sparse.csr_array) -> None:
    config = AutoencoderConfig(**SHAPE, epochs=5, noise=0, learning_rate=0.005, held_out=0)
    losses = [row["val_loss"] for row in JobAutoencoder(config).fit(rows).history_]
    assert min(losses) < losses[0] - 0.003


def test_a_restored_autoencoder_is_the_same_and_goes_on(
    rows: sparse.csr_array, fitted: JobAutoencoder
) -> None:
    restored = JobAutoencoder(TINY, seed=1).restore(
        fitted.encoder_arrays(), fitted.decoder_arrays()
    )
    assert same(restored, fitted)
    assert (restored.reconstruct(rows) == fitted.reconstruct(rows)).all()
    restored.partial_fit(make_rows(40, 1)).partial_fit(rows)
    assert (restored.order_ == fitted.order_).all()
    assert [row["epoch"] for row in restored.history_] == [0, 1, 2, 3]


def test_what_weighs_more_comes_back_better(rows: sparse.csr_array, fitted: JobAutoencoder) -> None:
    weight = np.where(np.arange(60) < 30, 1, 0.001)
    weighted = JobAutoencoder(TINY, seed=1).fit(rows, sample_weight=weight)
    even, heavy, light = (
        reconstruction_cosine(rows[part], autoencoder.reconstruct(rows[part]))
        for autoencoder, part in (
            (fitted, slice(0, 30)),
            (weighted, slice(0, 30)),
            (weighted, slice(30, 60)),
        )
    )
    assert heavy > even > light + 0.1


def test_the_cosine_of_a_perfect_reconstruction_is_one(rows: sparse.csr_array) -> None:
    assert reconstruction_cosine(rows, rows.toarray()) == pytest.approx(1)
    assert reconstruction_cosine(rows, -3 * rows.toarray()) == pytest.approx(-1)
    assert reconstruction_cosine(rows, np.zeros((60, 64), np.float32)) == 0


def test_the_learning_curve_is_written(fitted: JobAutoencoder, log_dir: Path) -> None:
    with (log_dir / "autoencoder.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["epoch"] for row in written] == ["0", "1"]
    assert float(written[1]["val_loss"]) == fitted.history_[1]["val_loss"]


@pytest.mark.parametrize("n", [1, 40])
def test_one_posting_is_enough_however_often_it_comes(n: int) -> None:
    same = make_rows(2, 0)[np.ones(n, int)]
    assert np.isfinite(JobAutoencoder(TINY).fit(same).encode(same)).all()


def test_repeats_stay_together_and_do_not_swell_what_is_held_out() -> None:
    rows = make_rows(50, 0)[np.repeat(np.arange(50), 4)]
    train, held_out = JobAutoencoder(TINY)._split(rows, TINY)  # 10 of 200 jobs at most
    assert 4 <= len(held_out) <= 10
    assert not set(train // 4) & set(held_out // 4)


# Errors


@pytest.mark.parametrize(
    "wrong",
    [
        {"noise": 1.0},
        {"noise": -0.1},
        {"kernel": 4},
        {"code": 0},
        {"filters": (2, 0)},
        {"hidden": (0,)},
        {"batch": 0},
        {"epochs": 0},
        {"epoch_rows": 0},
        {"patience": -1},
        {"held_out": 1.0},
        {"held_out": -0.1},
        {"learning_rate": 0.0},
    ],
)
def test_a_configuration_is_valid_once_built(wrong: dict[str, object]) -> None:
    with pytest.raises(DataError, match="must be"):
        AutoencoderConfig(**wrong)


def test_rows_that_do_not_fold_are_refused() -> None:
    with pytest.raises(DataError, match="rows of 60 columns don't fold into 4 channels and 2"):
        JobAutoencoder(TINY).fit(make_rows(4, 0)[:, :60])


def test_rows_of_another_width_are_refused(fitted: JobAutoencoder) -> None:
    with pytest.raises(DataError, match="rows must have 64 columns, got 32"):
        fitted.partial_fit(make_rows(4, 0)[:, :32])


@pytest.mark.parametrize("weight", [[1.0], [-1.0] * 60, [0.0] * 60, [np.nan] * 60, [np.inf] * 60])
def test_weights_that_are_none_are_refused(rows: sparse.csr_array, weight: list[float]) -> None:
    with pytest.raises(DataError, match="sample_weight must be 60 numbers >= 0"):
        JobAutoencoder(TINY).fit(rows, sample_weight=weight)


def test_no_rows_are_refused() -> None:
    with pytest.raises(DataError, match="at least one job"):
        JobAutoencoder(TINY).fit(sparse.csr_array((0, 64), dtype=np.float32))
