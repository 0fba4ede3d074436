"""The serving model: what was saved comes back, to the bit, or not at all."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from tagger.errors import ModelError
from tagger.features import count
from tagger.job_features import Featurizer
from tagger.jobs import Job
from tagger.model import TagModel
from tagger.storage import save_folder
from tagger.tagger import JobTagger

STRANGE = (
    Job("empty"),
    Job("space", text=" \n\t"),
    Job("nul", "Nurse\x00", "\x00night\x00 shifts"),
    Job("surrogate", text="half \ud83d an emoji"),
    Job("signs", text="<" * 100_000),
    Job("deep", text="<div>" * 10_000 + "Nurse"),
    Job("digits", text="&#" + "9" * 5000 + "; \u00b2\u0663\u1369"),
    Job("long word", text="x" * 100_000),
)
FILES = (
    "decisions",
    "decoder",
    "deep",
    "encoder",
    "mixture",
    "names",
    "places",
    "rows",
    "vocabulary",
)


@pytest.fixture(scope="module")
def folder(tiny_tagger: JobTagger, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `tiny_tagger` is saved."""
    folder = tmp_path_factory.mktemp("saved") / "model"
    tiny_tagger.save(folder)
    return folder


@pytest.fixture(scope="module")
def model(folder: Path) -> TagModel:
    return TagModel.load(folder)


def test_a_saved_model_gives_the_same_probabilities_to_the_bit(
    tiny_tagger: JobTagger, tiny_jobs: tuple[Job, ...], model: TagModel
) -> None:
    jobs = [*tiny_jobs, *STRANGE]
    assert (model.predict_proba(jobs) == tiny_tagger.predict_proba(jobs)).all()
    assert (model.encode(jobs) == tiny_tagger.encode(jobs)).all()
    assert model.predict(jobs) == tiny_tagger.predict(jobs)
    assert model.tags == tiny_tagger.tags_
    assert model.remarks == tiny_tagger.remarks_


def test_a_loaded_tagger_is_the_saved_one(
    tiny_tagger: JobTagger, tiny_jobs: tuple[Job, ...], folder: Path
) -> None:
    loaded = JobTagger.load(folder)
    assert (loaded.predict_proba(tiny_jobs) == tiny_tagger.predict_proba(tiny_jobs)).all()
    assert (loaded.config, loaded.seed) == (tiny_tagger.config, tiny_tagger.seed)
    rows = loaded.model_.rows(tiny_jobs)
    assert (loaded.autoencoder_.encode(rows) == tiny_tagger.encode(tiny_jobs)).all()


def test_a_model_saved_again_is_the_same(model: TagModel, folder: Path, tmp_path: Path) -> None:
    model.save(tmp_path / "again")
    for name in FILES:
        assert (tmp_path / f"again/{name}.npz").read_bytes() == (
            folder / f"{name}.npz"
        ).read_bytes()
    assert TagModel.load(tmp_path / "again").meta["sha256"] == model.meta["sha256"]


def test_the_numpy_model_is_the_trained_classifier(
    tiny_tagger: JobTagger, tiny_jobs: tuple[Job, ...]
) -> None:
    model = tiny_tagger.model_
    featurize = Featurizer(model.row_weights, model.vocabulary, model.names, model.encoder)
    expected = tiny_tagger.classifier_.predict_proba(featurize(count(tiny_jobs)))
    np.testing.assert_allclose(tiny_tagger.predict_proba(tiny_jobs), expected, atol=1e-5)


@pytest.mark.parametrize("job", STRANGE, ids=lambda job: job.id)
def test_any_posting_gets_probabilities_and_reasons(model: TagModel, job: Job) -> None:
    proba = model.predict_proba([job])
    assert ((proba >= 0) & (proba <= 1)).all()
    assert set(model.explain(job)) == set(model.tags)


def test_a_job_alone_and_in_a_batch_gets_the_same(
    model: TagModel, tiny_jobs: tuple[Job, ...]
) -> None:
    alone = [model.predict_all([job]) for job in tiny_jobs[:8]]
    together = model.predict_all(tiny_jobs)
    for part, whole in zip(zip(*alone, strict=True), together, strict=True):
        np.testing.assert_allclose(whole[:8], np.concatenate(part), rtol=1e-4, atol=1e-6)


def test_one_pass_says_what_the_single_questions_say(
    model: TagModel, tiny_jobs: tuple[Job, ...]
) -> None:
    said = model.predict_all(tiny_jobs)
    proba = model.predict_proba(tiny_jobs)
    assert (said.probabilities == proba).all()
    assert (said.probabilities == expit(said.scores)).all()
    assert (said.decisions == model.decide(proba)).all()
    assert (said.reviews == model.review(proba)).all()
    assert (said.codes == model.encode(tiny_jobs)).all()


# What the model knows nothing of


@pytest.mark.parametrize(
    "text",
    [
        "Krankenpfleger gesucht: Nachtdienst auf der Station, unbefristet, mit Zulagen",
        "看護師を募集しています",
        "...",
        "",
        "\U0001f680\U0001f525",
    ],
)
def test_a_strange_posting_gets_no_tag_and_is_left_to_a_person(
    model: TagModel, tiny_jobs: tuple[Job, ...], text: str
) -> None:
    said = model.predict_all([Job("strange", text=text), tiny_jobs[0]])
    assert not said.decisions[0].any()
    assert said.reviews[0].any()
    assert model.predict([Job("strange", text=text)]) == [()]
    assert said.decisions[1].any()


def test_what_would_have_been_given_to_a_strange_posting_is_asked(model: TagModel) -> None:
    job = Job("1", "Nurse", " ".join(f"{word}ski {word}ov" for word in "abc def ghi jkl".split()))
    proba = model.predict_proba([job])
    given, said = model.decide(proba), model.predict_all([job])
    assert not model.vocabulary.rows_and_familiar(count([job]))[1].any()
    assert not said.decisions.any()
    assert (said.reviews >= given).all()


def test_no_jobs_have_no_probabilities(model: TagModel) -> None:
    assert model.predict_proba([]).shape == (0, len(model.tags))
    assert model.predict([]) == []


def test_decisions_follow_thresholds_and_bands(model: TagModel, tiny_jobs: tuple[Job, ...]) -> None:
    learned = ~np.isnan(model.thresholds)
    at, below = (np.tile(model.thresholds, (1, 1)) - shift for shift in (0, 1e-6))
    assert (model.decide(at)[0] == learned).all()
    assert not model.decide(below).any()
    assert (model.review(at)[0] == learned).all()
    assert (model.bands[learned, 0] <= model.bands[learned, 1]).all()


@pytest.mark.parametrize("name", FILES)
def test_one_changed_byte_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(folder, tmp_path / "model")
    contents = bytearray((tmp_path / f"model/{name}.npz").read_bytes())
    contents[len(contents) // 2] ^= 1
    (tmp_path / f"model/{name}.npz").write_bytes(contents)
    with pytest.raises(ModelError, match=rf"{name}\.npz is not what was saved"):
        TagModel.load(tmp_path / "model")


def test_a_renamed_tag_is_refused(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "model")
    meta = tmp_path / "model/meta.json"
    meta.write_text(meta.read_text("utf-8").replace('"kitchen"', '"kitchens"'), "utf-8")
    with pytest.raises(ModelError, match=r"meta\.json is not what was saved"):
        TagModel.load(tmp_path / "model")


@pytest.mark.parametrize("missing", ["tags", "encoder", "mixture", "names", "places", "vocabulary"])
def test_parts_that_do_not_fit_together_are_refused(model: TagModel, missing: str) -> None:
    arrays = {name: part for name, part in model.arrays.items() if name != missing}
    meta = {name: part for name, part in model.meta.items() if name != missing}
    with pytest.raises(ModelError, match="don't fit together"):
        TagModel.of(arrays, meta)


SPOILED: dict[str, Callable[[Any], Any]] = {
    "one row less": lambda array: array[:-1],
    "one row more": lambda array: np.concatenate([array, array[-1:]]),
    "one axis more": lambda array: array[None],
    "no axis": lambda array: array.ravel()[0],
    "nothing": lambda array: array[:0],
    "words": lambda array: array.astype("U8"),
    "nan": lambda array: np.full(array.shape, np.nan),
    "infinity": lambda array: np.full(array.shape, np.inf),
    "large": lambda array: np.full(
        array.shape, 2**40, array.dtype if array.dtype.itemsize > 4 else int
    ),
    "below zero": lambda array: np.full(array.shape, -(2**40)),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_model_that_somebody_has_changed_and_hashed_anew_is_refused_or_works(
    model: TagModel, tmp_path: Path, how: str
) -> None:
    """Every array of every file in turn: one clear error, or probabilities; nothing else."""
    meta = {key: value for key, value in model.meta.items() if key not in ("sha256", "format")}
    n_refused = 0
    for file, contents in model.arrays.items():
        for name, array in contents.items():
            if not array.ndim or not array.size:
                continue
            changed = {**model.arrays, file: {**contents, name: SPOILED[how](array)}}
            save_folder(tmp_path / "m", changed, meta)
            try:
                proba = TagModel.load(tmp_path / "m").predict_proba([*STRANGE, Job("", "Nurse")])
            except ModelError:
                n_refused += 1
            else:
                assert proba.shape == (len(STRANGE) + 1, len(model.tags)), (file, name)
                assert np.isfinite(proba).all(), (file, name)
    assert n_refused >= 5


def test_a_description_says_what_the_model_is(folder: Path, tiny_jobs: tuple[Job, ...]) -> None:
    meta = json.loads((folder / "meta.json").read_text("utf-8"))
    assert {"format", "version", "created", "seed", "tags", "config", "metrics"} <= set(meta)
    assert meta["data"]["labelled"] == len(tiny_jobs)
    assert meta["data"]["unlabelled"] == 3
    assert 0 <= meta["data"]["unlabelled_own"] <= 3
    assert meta["tag_info"] == [{"tag": tag} for tag in meta["tags"]]
    assert set(meta["metrics"]["path_weights"]) == {"row", "ratio", "evidence", "names", "code"}
    assert meta["data"]["yes"]["rare"] == 2
    assert {*(f"{name}.npz" for name in FILES)} <= set(meta["sha256"])


def test_serving_loads_neither_keras_nor_scikit_learn(folder: Path) -> None:
    program = (
        "import sys, tagger\n"
        "from tagger import Job, TagModel\n"
        "TagModel.load(sys.argv[1]).explain(Job('1', 'Nurse', 'night shifts'))\n"
        "slow = {'keras', 'tensorflow', 'sklearn', 'nltk', 'pyarrow', 'matplotlib'}\n"
        "print(*slow & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""


def test_every_public_name_is_there() -> None:
    import tagger

    assert all(hasattr(tagger, name) for name in tagger.__all__)
    assert set(tagger.__all__) <= set(dir(tagger))
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        tagger.nothing  # noqa: B018
