from dataclasses import replace

import numpy as np
import pytest

from matcher.held_out import held_out_pairs, pairs_under_way
from matcher.measured import Measured, fingerprint, kept_at
from matcher.splits import split
from tagger.errors import DataError
from tests.matcher.made_up import made_up, slow
from tests.matcher.models import Scripted

FOUND = Measured(
    ranks=np.array([1.0, 2.5]),
    n_rivals=np.array([9.0, 8.0]),
    shown=np.ones((2, 4), np.int64),
    pair_scores=np.array([0.5, np.nan]),
    under_way_scores=np.array([0.25]),
    fit_s=1.5,
    score_s=0.25,
    n_nan=1,
)


def test_what_is_kept_comes_back(tmp_path):
    path = tmp_path / "new" / "a.npz"
    FOUND.save(path)
    loaded = Measured.load(path)
    for column in ("ranks", "n_rivals", "shown", "pair_scores", "under_way_scores"):
        np.testing.assert_array_equal(getattr(loaded, column), getattr(FOUND, column))
    assert (loaded.fit_s, loaded.score_s, loaded.n_nan, loaded.failure) == (1.5, 0.25, 1, "")
    assert np.isnan(loaded.memory_mb)
    assert [file.name for file in path.parent.iterdir()] == ["a.npz"]


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04junk", None])
def test_what_cannot_be_read_is_measured_again(tmp_path, damage):
    path = tmp_path / "a.npz"
    if damage is not None:
        path.write_bytes(damage)
    assert Measured.load(path) is None


def test_half_a_file_is_measured_again(tmp_path):
    path = tmp_path / "a.npz"
    FOUND.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    assert Measured.load(path) is None


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="can't write"):
        FOUND.save(tmp_path / "file" / "a.npz")


def prints(data, ks=(1,), **options):
    held = split(data, **options)
    return fingerprint(held, held_out_pairs(data, held), pairs_under_way(data, held), ks)


def test_the_same_data_have_the_same_fingerprint_and_others_another():
    data = made_up()
    first = prints(data)
    assert first == prints(made_up())
    coded = replace(data.jobs, codes=data.jobs.codes + 1)
    fielded = replace(data.jobs, fields={**data.jobs.fields, "more": ["x"] * 40})
    others = [
        prints(made_up(seed=1)),
        prints(data, ks=(1, 2)),
        prints(data, test_share=0.3),
        prints(replace(data, jobs=coded)),
        prints(replace(data, jobs=fielded)),
    ]
    assert len({first, *others}) == 6


def test_another_configuration_is_kept_elsewhere(tmp_path):
    def place(model, name="it", print_="data"):
        return kept_at(tmp_path, name, model, print_)

    inner = [Scripted((1, 2)), Scripted((1, 3))]
    places = [
        place(Scripted()),
        place(Scripted(seed=1)),
        place(Scripted((1, 2))),
        place(Scripted(), name="other"),
        place(Scripted(), print_="other"),
        *(place(Scripted([model])) for model in inner),
    ]
    assert len(set(places)) == len(places)
    assert place(Scripted([Scripted((1, 2))])) == places[5]  # an equal one, another object
    assert places[0].parent == tmp_path


def test_pairs_under_way_are_part_of_the_fingerprint():
    data = slow()
    held = split(data)
    asked, all_of_them, few = (
        held_out_pairs(data, held),
        pairs_under_way(data, held),
        pairs_under_way(data, held, max_candidates=30),
    )
    assert len(all_of_them) > len(few) > 0
    assert fingerprint(held, asked, all_of_them, (1,)) != fingerprint(held, asked, few, (1,))
