"""The numpy forward pass, held against Keras."""

from typing import Any

import numpy as np
import pytest
from scipy import sparse

from tagger.forward import DeepTagger, Encoder
from tagger.networks import build_encoder, build_taggers, layer_arrays

FOLD = (256, 4)  # 256 positions of 4 channels: 1,024 columns
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}


def shaken(network: Any, rng: np.random.Generator) -> Any:
    """The network with random weights everywhere, also where training starts from zeros."""
    network.set_weights([rng.normal(0, 0.3, w.shape) for w in network.get_weights()])
    return network


def random_rows(rng: np.random.Generator, n: int) -> sparse.csr_array:
    rows = rng.normal(size=(n, 1024)) * (rng.random((n, 1024)) < 0.05)
    rows[0] = 0
    return sparse.csr_array(rows.astype(np.float32))


@pytest.fixture(scope="module", params=[1, 3, 5])
def encoders(request: pytest.FixtureRequest) -> tuple[Any, Encoder, np.ndarray]:
    """One encoder twice, in Keras and in numpy, and its bucket order."""
    rng = np.random.default_rng(request.param)
    sizes = {"filters": (2, 3, 4, 5), "kernel": request.param, "hidden": (8, 6), "code": 5}
    network = shaken(build_encoder(fold=FOLD, **sizes), rng)
    order = rng.permutation(1024).astype(np.int32)
    arrays = {"order": order, "fold": np.array(FOLD), **layer_arrays(network)}
    return network, Encoder(arrays), order


def test_codes_are_those_of_keras(encoders: tuple[Any, Encoder, np.ndarray]) -> None:
    network, encoder, order = encoders
    rows = random_rows(np.random.default_rng(0), 20)
    expected = np.asarray(network(rows.toarray()[:, order]))
    assert np.ptp(expected) > 1  # random weights say something
    np.testing.assert_allclose(encoder(rows), expected, **TOLERANCE)


def test_the_code_of_a_job_is_the_same_alone_and_in_a_batch(
    encoders: tuple[Any, Encoder, np.ndarray],
) -> None:
    encoder = encoders[1]
    rows = random_rows(np.random.default_rng(1), 300)  # more than one batch
    alone = np.concatenate([encoder(rows[[i]]) for i in (0, 1, 127, 128, 299)])
    np.testing.assert_allclose(encoder(rows)[[0, 1, 127, 128, 299]], alone, **TOLERANCE)


def test_no_rows_have_no_codes(encoders: tuple[Any, Encoder, np.ndarray]) -> None:
    assert encoders[1](sparse.csr_array((0, 1024), dtype=np.float32)).shape == (0, 5)


def test_rows_are_left_as_they_are(encoders: tuple[Any, Encoder, np.ndarray]) -> None:
    rows = random_rows(np.random.default_rng(2), 5)
    before = rows.copy()
    encoders[1](rows)
    assert (rows != before).nnz == 0


@pytest.mark.parametrize("hidden", [(8,), (8, 6, 4)])
def test_logits_are_those_of_keras(hidden: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    network = build_taggers(n_networks=2, code=5, hidden=hidden, n_tags=3, dropout=0.5)
    shaken(network, rng)
    mean, scale = rng.normal(size=(2, 5)).astype(np.float32)
    codes = rng.normal(size=(20, 5)).astype(np.float32)
    expected = np.asarray(network((codes - mean) * scale, training=False))
    for number in range(2):
        arrays = {name: values[number] for name, values in layer_arrays(network).items()}
        logits = DeepTagger({"mean": mean, "scale": scale, **arrays})(codes)
        np.testing.assert_allclose(logits, expected[:, number], **TOLERANCE)


def test_networks_side_by_side_start_like_networks_alone() -> None:
    sizes = {"code": 50, "hidden": (40,), "n_tags": 30, "dropout": 0.5}
    alone, beside = (build_taggers(n_networks=n, **sizes) for n in (1, 20))
    for layer in ("dense_0", "logits"):
        largest = np.abs(np.asarray(alone.get_layer(layer).kernel)).max()
        each = np.abs(np.asarray(beside.get_layer(layer).kernel)).max(axis=(1, 2))
        np.testing.assert_allclose(each, largest, rtol=0.02)


def test_every_weight_of_the_networks_is_used() -> None:
    network = build_encoder(fold=FOLD, filters=(2, 2), kernel=3, hidden=(8,), code=5)
    shaken(network, np.random.default_rng(0))
    rows = random_rows(np.random.default_rng(0), 4)
    arrays = {"order": np.arange(1024), "fold": np.array(FOLD), **layer_arrays(network)}
    codes = Encoder(arrays)(rows)
    weights = [name for name in arrays if "/" in name]
    assert len(weights) == len(network.weights)
    changed = [Encoder({**arrays, name: arrays[name] + 1})(rows) for name in weights]
    assert all((other != codes).any() for other in changed)
