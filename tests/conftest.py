"""Small models shared by all tests that need one: training one takes some seconds."""

import os
import signal
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest
from hypothesis import settings

# Before anything imports TensorFlow: no log lines between the tests, no GPU for 8 units.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")

# Tests interrupt processes that they start; under nohup or `&` they would inherit a deaf ear.
signal.signal(signal.SIGINT, signal.default_int_handler)

# A busy machine is slow now and then; the same examples each time, so that a run can be repeated.
settings.register_profile("jobtool", deadline=None, max_examples=40, derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "jobtool"))


@pytest.fixture(scope="session")
def tiny_config() -> object:
    """A `TaggerConfig` of networks 8 units wide and few epochs."""
    from tagger.autoencoder import AutoencoderConfig
    from tagger.classifier import TagConfig
    from tagger.deep import DeepConfig
    from tagger.tagger import TaggerConfig

    return TaggerConfig(
        autoencoder=AutoencoderConfig(code=8, filters=(2, 2, 2, 2), hidden=(8,), epochs=1),
        tags=TagConfig(n_folds=2, deep_config=DeepConfig(hidden=(8,), epochs=2)),
    )


@pytest.fixture(scope="session")
def tiny_demo(tmp_path_factory: pytest.TempPathFactory, tiny_config: object) -> object:
    """What `jobtool demo` does, with a tiny model."""
    from tagger.demo import run_demo

    return run_demo(tmp_path_factory.mktemp("demo"), config=tiny_config)


@pytest.fixture(scope="session")
def tiny_model(tiny_demo: object) -> Path:
    """Folder of a model trained on three quarters of the packaged sample."""
    return tiny_demo.model


@contextmanager
def step_by_step() -> Iterator[None]:
    """Networks without graphs: building one takes longer than a few steps of 8 units.

    `tiny_demo` builds them, as users do.
    """
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def eager() -> Iterator[None]:
    with step_by_step():
        yield


@pytest.fixture(scope="session")
def tiny_jobs() -> tuple[object, ...]:
    """60 labelled jobs of four made-up kinds, one in four partly labelled; "rare" is on two."""
    from tagger.jobs import Job

    kinds = (
        ("care", "Nurse", "hospital ward patients shifts nursing clinic medicine elderly wounds"),
        ("software", "Developer", "Python services code testing cloud database servers ship APIs"),
        ("driving", "Driver", "deliver parcels van licence route truck roads loading depot"),
        ("kitchen", "Cook", "soups sauces kitchen restaurant menu baking grill dishes chef"),
    )
    more = "team benefits pay holidays training friendly growing weekly early late busy office"
    rng = Random(0)  # varied enough that none is a near-copy of another
    jobs = []
    for i in range(60):
        tag, title, words = kinds[i % 4]
        chosen = rng.sample(words.split(), 5) + rng.sample(more.split(), 5)
        rng.shuffle(chosen)
        text = f"<p>{' '.join(chosen)}</p> {rng.randrange(1, 12)}+ years, ${i + 12}.50 an hour."
        tags = (tag, "remote") if i % 3 == 0 else (tag,)
        text += " Work from home, fully remote." if i % 3 == 0 else " On site only."
        if i in (5, 6):
            tags = (*tags, "rare")
        not_tags = tuple(kind[0] for kind in kinds if kind[0] != tag) if i % 16 == 0 else None
        jobs.append(Job(str(i), title, text, tags=tags, not_tags=not_tags))
    return tuple(jobs)


@pytest.fixture(scope="session")
def tiny_tagger(tiny_config: object, tiny_jobs: tuple[object, ...]) -> object:
    """A `JobTagger` trained on `tiny_jobs` and three unlabelled ones. Not to be changed."""
    from tagger.jobs import Job
    from tagger.tagger import JobTagger

    unlabelled = [Job(f"u{i}", "Baker", f"bread and cakes, shop {i}") for i in range(3)]
    with step_by_step(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Even though the `tf.config")
        return JobTagger(tiny_config, seed=0).fit(tiny_jobs, unlabelled)
