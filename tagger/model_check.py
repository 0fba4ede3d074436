"""Whether the arrays of a model folder are those of one model.

Hashes say that no file has changed by chance; somebody who may write to the folder can make them
anew. So shapes, kinds and indices are checked, and sizes only ever by what the files hold.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Arrays = Mapping[str, npt.NDArray[Any]]

SHAPES: dict[str, dict[str, str]] = {
    "rows": {"idf": "f n", "mean": "f m", "scale": "f m"},
    "vocabulary": {
        **{"hashes": "i v", "title_hashes": "i w", "idf": "f v", "title_idf": "f w"},
        **{"familiar": "i u", "usual": "f"},
    },
    "names": {
        **{"hashes": "i k", "title_hashes": "i l", "title_place": "i l", "tag": "i e"},
        **{"start": "i s", "weight": "f e", "mean": "f T", "scale": "f T", "usual_length": "f"},
    },
    "encoder": {"order": "i H", "fold": "i 2", "straight/kernel": "f H C"},
    "deep": {"mean": "f C", "scale": "f C", "straight/kernel": "f C T", "straight/bias": "f T"},
    "mixture": {
        **{"rows": "f r T", "terms": "f t T", "names": "f T", "code": "f T", "intercept": "f T"},
    },
    "places": {"rows": "i H", "terms": "i V"},
    "decisions": {"threshold": "f T", "band": "f T 2"},
    "held_out": {
        **{"probability": "f N T", "decided": "b N T", "label": "i N T"},
        **{"group": "i N", "posting": "i N"},
    },
}
"""File -> array -> kind (float, integer, bool) and axes; equal letters are equally long.

T tags, H columns of a row, n of them terms and m measures, C code, V columns of the vocabulary: v
terms and w of titles, u familiar terms; k terms of names, l of them in titles, e weights; r and t
used coefficients, N labelled jobs.
"""
_MAY_LACK = ("decisions", "held_out")  # nan: a tag that is never given, or was not judged
_KINDS = {"f": "f", "i": "iu", "b": "b"}


def check_arrays(arrays: Mapping[str, Arrays], n_tags: int) -> None:
    """Raise ValueError unless the arrays fit together; KeyError if one is missing."""
    lengths = {"T": n_tags, "2": 2}
    for file, wanted in SHAPES.items():
        for name, said in wanted.items():
            kind, *axes = said.split()
            array = arrays[file][name]
            if array.dtype.kind not in _KINDS[kind] or array.ndim != len(axes):
                raise ValueError(f"{name} of {file}.npz is {array.dtype} of shape {array.shape}")
            for axis, length in zip(axes, array.shape, strict=True):
                if lengths.setdefault(axis, length) != length:
                    raise ValueError(f"{name} of {file}.npz has shape {array.shape}")
    for file, contents in arrays.items():
        for name, array in contents.items():
            if array.dtype.kind == "f" and file not in _MAY_LACK and not np.isfinite(array).all():
                raise ValueError(f"{name} of {file}.npz has values that are no number")
    of = lengths
    names, places, encoder = arrays["names"], arrays["places"], arrays["encoder"]
    for what, is_right in (
        ("rows", of["H"] == of["n"] + of["m"] == int(np.prod(encoder["fold"].astype(object)))),
        ("places of terms", of["V"] == of["v"] + of["w"]),
        ("weights of names", of["s"] == of["k"] + 1 and _are_starts(names["start"], of["e"])),
        ("tags of names", _within(names["tag"], n_tags)),
        ("terms of titles", _within(names["title_place"], of["k"])),
        ("places of rows", _within(places["rows"], of["r"] + 1)),
        ("places of terms", _within(places["terms"], of["t"] + 1)),
        ("order", np.array_equal(np.sort(encoder["order"]), np.arange(of["H"]))),
    ):
        if not is_right:
            raise ValueError(f"{what} don't fit the rest")


def _within(indices: npt.NDArray[Any], n: int) -> bool:
    return not len(indices) or bool(indices.min() >= 0 and indices.max() < n)


def _are_starts(start: npt.NDArray[Any], n: int) -> bool:
    return bool(start[0] == 0 and start[-1] == n and (np.diff(start.astype(np.int64)) >= 0).all())
