"""Model folders: whole, or not there."""

import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tagger.errors import ModelError
from tagger.storage import FORMAT, META, check_replaceable, load_arrays, load_meta, save_folder

ARRAYS = {"one": {"a": np.arange(3)}, "two": {"b": np.ones((2, 2)), "c": np.zeros(0)}}
FILES = ["meta.json", "one.npz", "two.npz"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A saved folder."""
    save_folder(tmp_path / "model", ARRAYS, {"tags": ["x"]})
    return tmp_path / "model"


def load(folder: Path) -> dict[str, Any]:
    return load_arrays(folder, load_meta(folder))


def test_what_was_saved_comes_back(model: Path) -> None:
    assert load_meta(model)["tags"] == ["x"]
    loaded = load(model)
    assert [list(loaded[name]) for name in sorted(loaded)] == [["a"], ["b", "c"]]
    assert (loaded["two"]["b"] == ARRAYS["two"]["b"]).all()


def test_nothing_else_is_left_behind(model: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == FILES
    assert list(model.parent.iterdir()) == [model]


def test_an_older_model_is_replaced_whole(model: Path) -> None:
    save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    assert sorted(path.name for path in model.iterdir()) == ["meta.json", "three.npz"]
    assert load_meta(model)["tags"] == ["y"]
    assert list(model.parent.iterdir()) == [model]


def test_parents_are_made_and_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "a" / "b", tmp_path / "empty"):
        save_folder(folder, ARRAYS, {})
        assert set(load(folder)) == {"one", "two"}


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_what_is_no_model_is_left_alone(tmp_path: Path, kind: str) -> None:
    mine = tmp_path / "mine" / "thesis.txt" if kind == "folder" else tmp_path / "mine"
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("years of work")
    with pytest.raises(ModelError, match="is not a model: name another folder"):
        save_folder(tmp_path / "mine", ARRAYS, {})
    assert mine.read_text() == "years of work"


@pytest.mark.parametrize("place", [".", "", "/", "..", "a/.."])
def test_a_place_without_a_name_is_refused(place: str) -> None:
    with pytest.raises(ModelError, match=r"can't put a model in the place of .*: name a folder"):
        check_replaceable(Path(place))


# What a disk can do


def renaming_old_only(fail: Callable[[], None]) -> Callable[[Path, Path], Path | None]:
    """`Path.rename` that moves the old model, and `fail`s to put the new one in its place."""
    rename = Path.rename

    def rename_old_only(self: Path, target: Path) -> Path | None:
        return rename(self, target) if ".old." in f"{self}{target}" else fail()

    return rename_old_only


def test_an_interrupt_between_the_two_renames_leaves_the_old_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", renaming_old_only(interrupt))
    with pytest.raises(KeyboardInterrupt):
        save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    assert load_meta(model)["tags"] == ["x"]
    assert list(model.parent.iterdir()) == [model]


def test_an_old_model_that_can_not_come_back_is_kept_and_named(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken() -> None:
        model.mkdir()
        (model / "other").touch()
        raise OSError(39, "Directory not empty")

    monkeypatch.setattr(Path, "rename", renaming_old_only(taken))
    with pytest.raises(ModelError, match="not empty; the model that stood there is in"):
        save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    (kept,) = (path for path in model.parent.iterdir() if path != model)
    assert load_meta(kept)["tags"] == ["x"]


def test_an_interrupt_tells_of_an_old_model_that_can_not_come_back(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken() -> None:
        model.mkdir()
        (model / "other").touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "rename", renaming_old_only(taken))
    with pytest.raises(KeyboardInterrupt) as stopped:
        save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    (kept,) = (path for path in model.parent.iterdir() if path != model)
    assert stopped.value.__notes__ == [f"the model that stood there is in {kept}"]


def test_an_interrupt_just_after_the_swap_leaves_the_new_model(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = Path.rename

    def rename_then_stop(self: Path, target: Path) -> Path:
        moved = rename(self, target)
        if ".new." in self.name:
            raise KeyboardInterrupt
        return moved

    monkeypatch.setattr(Path, "rename", rename_then_stop)
    with pytest.raises(KeyboardInterrupt):
        save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    assert load_meta(model)["tags"] == ["y"]
    assert list(model.parent.iterdir()) == [model]


@pytest.mark.parametrize("step", ["savez", "fsync", "rename"])
def test_a_failing_disk_leaves_the_old_model(
    model: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    owner, name, broken = {
        "savez": (np, "savez", fail),
        "fsync": (os, "fsync", fail),
        "rename": (Path, "rename", renaming_old_only(fail)),
    }[step]
    monkeypatch.setattr(owner, name, broken)
    with pytest.raises(ModelError, match=r"can't write .*No space left .*nothing was changed"):
        save_folder(model, {"three": {"d": np.arange(1)}}, {"tags": ["y"]})
    monkeypatch.undo()
    assert load_meta(model)["tags"] == ["x"]
    assert set(load(model)) == {"one", "two"}
    assert list(model.parent.iterdir()) == [model]


def test_a_failing_disk_leaves_nothing_where_nothing_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*args: object, **kwargs: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_folder(tmp_path / "model", ARRAYS, {})
    assert list(tmp_path.iterdir()) == []


# What can't be trusted


def flip(path: Path, place: int) -> None:
    contents = bytearray(path.read_bytes())
    contents[place] ^= 1
    path.write_bytes(contents)


@pytest.mark.parametrize("name", ["one.npz", "two.npz"])
@pytest.mark.parametrize("place", [0, 60, -1])
def test_one_changed_byte_is_noticed(model: Path, name: str, place: int) -> None:
    flip(model / name, place)
    with pytest.raises(ModelError, match=rf"{name} is not what was saved"):
        load(model)


def test_a_cut_or_missing_file_is_noticed(model: Path) -> None:
    whole = (model / "two.npz").read_bytes()
    (model / "two.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=r"two\.npz is not what was saved"):
        load(model)
    (model / "two.npz").unlink()
    with pytest.raises(ModelError, match=r"lacks two\.npz"):
        load(model)


def test_one_changed_byte_of_the_description_is_noticed(model: Path) -> None:
    text = (model / META).read_bytes()
    flip(model / META, text.index(b'"x"') + 1)  # another tag, still JSON
    with pytest.raises(ModelError, match=r"meta\.json"):
        load(model)


@pytest.mark.parametrize("share", [0, 0.5, 0.99])
def test_a_description_cut_in_the_middle_is_refused(model: Path, share: float) -> None:
    text = (model / META).read_bytes()
    (model / META).write_bytes(text[: int(len(text) * share)])
    with pytest.raises(ModelError, match=r"meta\.json can't be read"):
        load_meta(model)


@pytest.mark.parametrize("text", [b"[]", b"{}", b"3", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_description_of_something_else_is_refused(model: Path, text: bytes) -> None:
    (model / META).write_bytes(text)
    with pytest.raises(ModelError, match=r"meta\.json can't be read"):
        load_meta(model)


def test_another_format_is_refused_with_advice(model: Path) -> None:
    (model / META).write_text(json.dumps({"format": FORMAT + 1, "sha256": {}}))
    with pytest.raises(
        ModelError, match=f"format {FORMAT + 1}, this version reads {FORMAT}: train"
    ):
        load_meta(model)


@pytest.mark.parametrize(
    ("place", "message"),
    [("nowhere", "there is no model .*nowhere"), (".", "is not a model: it has no meta")],
)
def test_no_model_is_refused_with_advice(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load_meta(tmp_path / place)


# A model from a stranger: its hashes are right, its contents are not


def test_files_outside_the_folder_are_refused(model: Path) -> None:
    outside = model.parent / "x.npz"
    (model / "one.npz").rename(outside)
    hashes = load_meta(model)["sha256"]
    for name in ("../x.npz", str(outside), "sub/../../x.npz", "..", ".", "", "x\0"):
        with pytest.raises(ModelError, match="lacks"):
            load_arrays(model, {"sha256": {name: hashes["one.npz"]}})


def hashed(model: Path, name: str) -> dict[str, Any]:
    digest = hashlib.sha256((model / name).read_bytes()).hexdigest()
    return {"sha256": {name: digest}}


def test_pickled_objects_are_refused(model: Path) -> None:
    np.savez(model / "one.npz", a=np.array([{"any": "object"}], object))
    with pytest.raises(ModelError, match=r"one\.npz can't be read: .*neither numbers nor words"):
        load_arrays(model, hashed(model, "one.npz"))


@pytest.mark.parametrize("contents", [b"", b"no zip", b"PK\x03\x04 broken", b"\x80\x04N."])
def test_what_is_no_archive_is_refused(model: Path, contents: bytes) -> None:
    (model / "one.npz").write_bytes(contents)
    with pytest.raises(ModelError, match=r"one\.npz can't be read"):
        load_arrays(model, hashed(model, "one.npz"))


def test_compressed_arrays_are_refused_before_they_take_room(model: Path) -> None:
    np.savez_compressed(model / "one.npz", a=np.zeros(10_000_000))
    with pytest.raises(ModelError, match=r"one\.npz can't be read: a\.npy is compressed"):
        load_arrays(model, hashed(model, "one.npz"))


def test_an_array_that_says_it_is_huge_is_refused_before_it_takes_room(model: Path) -> None:
    head = io.BytesIO()
    form = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    np.lib.format.write_array_header_1_0(head, form)
    with zipfile.ZipFile(model / "one.npz", "w") as archive:
        archive.writestr("a.npy", head.getvalue() + bytes(80))
    with pytest.raises(
        ModelError, match=r"one\.npz can't be read: a\.npy is not as long as it says"
    ):
        load_arrays(model, hashed(model, "one.npz"))


def test_a_bare_array_is_refused(model: Path) -> None:
    with (model / "one.npz").open("wb") as file:
        np.save(file, np.arange(3))
    with pytest.raises(ModelError, match=r"one\.npz can't be read"):
        load_arrays(model, hashed(model, "one.npz"))


def test_files_that_are_the_parent_s_take_no_room(tmp_path: Path) -> None:
    same, other = {"a": np.arange(3)}, {"b": np.arange(4)}
    save_folder(tmp_path / "one", {"same": same, "other": other}, {})
    changed = {"b": np.arange(4) + 1}
    save_folder(tmp_path / "two", {"same": same, "other": changed}, {}, parent=tmp_path / "one")
    assert (tmp_path / "one/same.npz").samefile(tmp_path / "two/same.npz")
    assert not (tmp_path / "one/other.npz").samefile(tmp_path / "two/other.npz")
    shutil.rmtree(tmp_path / "one")
    loaded = load_arrays(tmp_path / "two", load_meta(tmp_path / "two"))
    np.testing.assert_array_equal(loaded["same"]["a"], same["a"])
    np.testing.assert_array_equal(loaded["other"]["b"], changed["b"])
