"""A training that goes on where it was interrupted."""

from pathlib import Path

import numpy as np
import pytest

from matcher.checkpoint import Checkpoint, State, fingerprint


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "a", "x").save(State(2, {"w": np.arange(3)}, {"losses": [0.5]}))
    state = Checkpoint(tmp_path / "a", "x").load()
    assert state is not None
    assert (state.epoch, state.arrays["w"].tolist()) == (2, [0, 1, 2])
    assert state.about == {"losses": [0.5]}


def test_nothing_is_loaded_for_another_training(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "a", "x").save(State(2, {}))
    assert Checkpoint(tmp_path / "a", "y").load() is None


def test_a_damaged_state_is_begun_anew(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path / "a", "x")
    checkpoint.save(State(1, {"w": np.ones(2)}))
    (tmp_path / "a/state.npz").write_bytes(b"half")
    assert checkpoint.load() is None
    checkpoint.save(State(1, {"w": np.ones(2)}))
    assert checkpoint.load() is not None


def test_without_a_folder_nothing_is_remembered() -> None:
    checkpoint = Checkpoint(None, "x")
    checkpoint.save(State(1, {}))
    assert checkpoint.load() is None
    checkpoint.remove()


def test_steps_have_folders_of_their_own_and_go_with_the_whole(tmp_path: Path) -> None:
    whole = Checkpoint(tmp_path / "a", "x")
    whole.within("first").save(State(1, {}))
    assert whole.within("first").load() is not None
    assert whole.within("second").load() is None
    whole.remove()
    assert list(tmp_path.iterdir()) == []


def test_removing_leaves_the_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint = Checkpoint(tmp_path, "x")
    checkpoint.within("first").save(State(1, {}))
    checkpoint.remove()
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


@pytest.mark.parametrize(
    "other", [np.zeros(3), np.zeros((2, 1)), np.zeros(2, np.float32), np.array([0.0, 1.0]), 0]
)
def test_fingerprints_tell_arrays_apart(other: object) -> None:
    assert fingerprint(np.zeros(2)) == fingerprint(np.zeros(2))
    assert fingerprint(np.zeros(2)) != fingerprint(other)
