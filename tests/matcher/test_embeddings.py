import json
from datetime import UTC, datetime

import numpy as np
import pyarrow.parquet as pq
import pytest

from matcher.activity_models import DecayActivity, MeanActivity
from matcher.embeddings import iter_embeddings, publish, write_embeddings
from matcher.popularity import Popularity
from tagger.errors import DataError
from tests.matcher.made_up import made_up

DATA = made_up(actions=("apply",))
MEAN = MeanActivity().fit(DATA)
WHEN = datetime(2026, 1, 1, tzinfo=UTC)


def test_everyone_has_an_embedding_and_zeros_say_that_nothing_was_done():
    idle = DATA.with_events(DATA.events.take(DATA.events.candidates != 0))
    first, *others = iter_embeddings(MEAN, idle)
    assert (first.candidate, first.n_actions, first.numbers.any()) == ("c0", 0, np.False_)
    assert len(others) == 59
    assert all(found.n_actions and found.numbers.any() for found in others[:5])


@pytest.mark.parametrize("name", ["now.parquet", "now.jsonl"])
def test_a_file_tells_model_version_and_time(name, tmp_path):
    path = tmp_path / name
    assert write_embeddings(MEAN, DATA, path, version="v1", computed_at=WHEN) == 60
    if path.suffix == ".parquet":
        row = pq.read_table(path).to_pylist()[3]
        assert row["computed_at"] == WHEN
    else:
        row = json.loads(path.read_text().splitlines()[3])
        assert row["computed_at"] == WHEN.isoformat()
    assert (row["candidate"], row["model"], row["version"]) == ("c3", "activity-mean", "v1")
    assert row["numbers"] == pytest.approx(MEAN.embed(DATA, np.array([3]))[0])


def test_versions_stand_side_by_side_and_are_never_written_over(tmp_path):
    models = {"mean-1": MEAN, "decay-1": DecayActivity().fit(DATA)}
    paths = publish(models, DATA, tmp_path / "embeddings")
    assert [path.name for path in paths] == ["mean-1.parquet", "decay-1.parquet"]
    with pytest.raises(DataError, match="give this version another name"):
        publish({"mean-1": MEAN}, DATA, tmp_path / "embeddings")


def test_a_model_without_embeddings_is_refused():
    with pytest.raises(DataError, match="popularity makes no activity embeddings"):
        next(iter_embeddings(Popularity().fit(DATA), DATA))
