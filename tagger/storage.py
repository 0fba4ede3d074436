"""Model folders: arrays and `meta.json`, hashed, written beside and renamed into place."""

import hashlib
import json
import math
import os
import secrets
import shutil
import zipfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.errors import ModelError

FORMAT = 4
META = "meta.json"

Arrays = Mapping[str, npt.NDArray[Any]]


def jobtool_version() -> str:
    try:
        return version("jobtool")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"


def is_model(folder: Path) -> bool:
    """Whether a model stands there, whole or not, of this format or another."""
    return (folder / META).is_file()


def check_replaceable(folder: Path) -> None:
    """Raise ModelError unless a model may be written there: nothing, an empty folder or a model."""
    if folder.name in ("", ".."):  # nothing can be renamed into the place of "."
        raise ModelError(f"can't put a model in the place of {folder}: name a folder, as in model")
    if not folder.exists() or is_model(folder):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ModelError(f"{folder} exists and is not a model: name another folder or remove it")


def save_folder(
    folder: Path,
    arrays: Mapping[str, Arrays],
    meta: Mapping[str, Any],
    *,
    parent: Path | None = None,
) -> None:
    """Write a model folder beside and rename it into place, so that it is never half a model.

    An older model is moved away first: between the two renames there is none for an instant.

    Parameters
    ----------
    folder
        Replaced if it is a model folder; anything else in its place is left alone.
    arrays
        File name without ending -> its arrays.
    parent
        Folder of the model that this one goes on from: files that are the same take no room.

    Raises
    ------
    ModelError
        If something that is not a model stands there, or the disk refuses.
    """
    check_replaceable(folder)
    beside = _hidden(folder, "new")
    try:
        beside.mkdir(parents=True)
        for name, contents in arrays.items():
            np.savez(beside / f"{name}.npz", **dict[str, Any](contents))
        hashes = {path.name: _sha256(path) for path in sorted(beside.iterdir())}
        if parent is not None:
            _link_equal(beside, hashes, parent)
        whole = {"format": FORMAT, **meta, "sha256": hashes}
        hashes[META] = _meta_sha256(whole)
        text = json.dumps(whole, indent=1, ensure_ascii=False, allow_nan=False)
        (beside / META).write_text(text, encoding="utf-8")
        for path in beside.iterdir():
            _flush(path)
        _swap(beside, folder)
    except OSError as error:
        raise ModelError(f"can't write the model {folder}: {error}; nothing was changed") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _link_equal(beside: Path, hashes: Mapping[str, str], parent: Path) -> None:
    """Let files stand for the parent's where both are equal, if the file system can do that."""
    for name, sha256 in hashes.items():
        theirs, linked = parent / name, beside / f"{name}.link"
        if theirs.is_file() and _sha256(theirs) == sha256:
            try:
                linked.hardlink_to(theirs)
            except OSError:  # another file system, or one without links: both files stay
                return
            linked.replace(beside / name)


def load_meta(folder: Path, *, command: str = "jobtool train") -> dict[str, Any]:
    """`meta.json` of a model of this format; `command` is what trains one.

    Raises
    ------
    ModelError
        If there is no model, or another program or version wrote it.
    """
    path = folder / META
    if not folder.exists():
        raise ModelError(
            f"there is no model {folder}: name another folder, or train one: {command}"
        )
    if not is_model(folder):
        raise ModelError(f"{folder} is not a model: it has no {META}. Train one: {command}")
    try:
        meta = json.loads(path.read_text(encoding="utf-8"))
        found = meta["format"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ModelError(f"{path} can't be read ({error}): restore or train it again") from error
    if found != FORMAT:
        raise ModelError(
            f"{folder} has format {found}, this version reads {FORMAT}: train it again"
        )
    hashes = meta.get("sha256")
    if not isinstance(hashes, dict) or hashes.pop(META, None) != _meta_sha256(meta):
        raise ModelError(
            f"{path} is not what was saved (its sha256 differs): "
            "restore the model or train it again"
        )
    return dict(meta)


def _meta_sha256(meta: Mapping[str, Any]) -> str:
    """Of everything in `meta.json` but this hash itself."""
    text = json.dumps(meta, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def load_arrays(folder: Path, meta: Mapping[str, Any]) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """All arrays of a model folder, by file name without ending, after every hash was checked.

    Raises
    ------
    ModelError
        If a file is missing or its contents are not those that were saved.
    """
    loaded = {}
    for name, expected in meta["sha256"].items():
        path = folder / name
        if Path(name).name != name or not path.is_file():
            raise ModelError(f"{folder} lacks {name}: restore the model or train it again")
        if _sha256(path) != expected:
            raise ModelError(
                f"{path} is not what was saved (its sha256 differs from {META}): "
                "restore the model or train it again"
            )
        try:
            with zipfile.ZipFile(path) as archive:
                loaded[path.stem] = {
                    info.filename.removesuffix(".npy"): _read_array(archive, info)
                    for info in archive.infolist()
                }
        except (ValueError, OSError, EOFError, NotImplementedError, zipfile.BadZipFile) as error:
            raise ModelError(f"{path} can't be read: {error}") from error
    return loaded


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> npt.NDArray[Any]:
    """An array of numbers or words as `np.savez` writes it; memory stays within the file's size.

    A hash says that nobody has changed a file by chance, not who wrote it.
    """
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    with archive.open(info) as file:
        read = np.lib.format.read_array_header_1_0
        if np.lib.format.read_magic(file) != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        if dtype.kind not in "biufU":
            raise ValueError(f"{info.filename} holds {dtype}: neither numbers nor words")
        if math.prod(shape) * dtype.itemsize != info.file_size - file.tell():
            raise ValueError(f"{info.filename} is not as long as it says")
        file.seek(0)
        return np.asarray(np.lib.format.read_array(file, allow_pickle=False))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _swap(beside: Path, folder: Path) -> None:
    """Put `beside` in the place of `folder`, which comes back if that fails or is interrupted."""
    old = _hidden(folder, "old")
    try:
        if folder.exists():
            folder.rename(old)
        beside.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException as error:
        if not beside.exists():  # the new one is in its place: interrupted just afterwards
            shutil.rmtree(old, ignore_errors=True)
        elif old.exists():
            _put_back(old, folder, error)
        raise


def _put_back(old: Path, folder: Path, error: BaseException) -> None:
    try:
        old.rename(folder)
    except OSError:
        kept = f"the model that stood there is in {old}"
        if isinstance(error, OSError):
            raise ModelError(f"can't write the model {folder}: {error}; {kept}") from error
        error.add_note(kept)


def _hidden(folder: Path, kind: str) -> Path:
    return folder.with_name(f".{folder.name}.{kind}.{secrets.token_hex(4)}")
