import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from matcher import registry
from matcher.base import Matcher
from matcher.configs import make
from matcher.popularity import Popularity
from tagger.errors import DataError, ModelError
from tagger.storage import save_folder
from tests.matcher.made_up import made_up


@pytest.mark.parametrize("name", registry.MODELS)
def test_every_model_is_found_under_its_own_name(name):
    found = registry.find(name)
    assert issubclass(found, Matcher)
    assert found.name == name
    assert found.__doc__


@pytest.mark.parametrize("name", registry.MODELS)
def test_every_model_can_be_made_without_an_argument(name):
    assert isinstance(registry.find(name)(), Matcher)


BLIND = [name for name in registry.MODELS if not registry.find(name).uses_codes]
SMALL = {"sequence-cnn": {"epochs": 1, "filters": [2]}, "sequence-lstm": {"epochs": 1, "units": 2}}


@pytest.mark.usefixtures("eager")
@pytest.mark.filterwarnings("ignore:Even though the `tf.config")
@pytest.mark.parametrize("name", BLIND)
def test_a_model_that_says_so_reads_no_codes(name):
    data, asked = made_up(), np.arange(5)
    model = make(name, SMALL.get(name)).fit(data)
    other = replace(data, candidates=without_codes(data.candidates), jobs=without_codes(data.jobs))
    np.testing.assert_array_equal(model.score_jobs(data, asked), model.score_jobs(other, asked))


def without_codes(profiles):
    return replace(profiles, codes=None)


def test_an_unknown_name_gets_the_known_ones():
    with pytest.raises(DataError, match="unknown model 'magic'; known: popularity"):
        registry.find("magic")


def test_knowing_the_models_loads_no_slow_library():
    slow = ("keras", "tensorflow", "xgboost", "sklearn", "implicit", "optuna", "matplotlib")
    code = f"import sys, matcher.registry; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_saved_model_comes_back_with_its_scores_and_its_training(tmp_path):
    data = made_up()
    model = Popularity().fit(data)
    registry.save(model, tmp_path / "model", {"seed": 0})
    loaded, training = registry.load(tmp_path / "model")
    assert training == {"seed": 0}
    asked = np.arange(3)
    np.testing.assert_array_equal(loaded.score_jobs(data, asked), model.score_jobs(data, asked))


def test_saving_again_replaces_the_model(tmp_path):
    registry.save(Popularity().fit(made_up()), tmp_path / "model")
    registry.save(Popularity().fit(made_up(seed=1)), tmp_path / "model", {"round": 2})
    assert registry.load(tmp_path / "model")[1] == {"round": 2}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_missing_folder_is_one_line(tmp_path):
    with pytest.raises(
        ModelError, match=r"nothing: name another .* train one: jobtool match train$"
    ):
        registry.load(tmp_path / "nothing")


def test_a_model_of_the_tagger_is_refused(tmp_path):
    save_folder(tmp_path / "tagger", {"model": {"codes": np.zeros(2)}}, {"kind": "tagger"})
    with pytest.raises(ModelError, match="is no matching model"):
        registry.load(tmp_path / "tagger")


def test_a_changed_file_is_noticed(tmp_path):
    registry.save(Popularity().fit(made_up()), tmp_path / "model")
    path = tmp_path / "model" / "model.npz"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    with pytest.raises(ModelError, match="is not what was saved"):
        registry.load(tmp_path / "model")
