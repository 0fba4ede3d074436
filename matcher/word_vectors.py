"""Vectors of words read from files, and of texts: another kind of codes for jobs and candidates.

Letters for axes: W words, N texts, D numbers of a vector.
"""

import gzip
import hashlib
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError
from tagger.rejects import Rejects

WORD = r"(?u)[^\W_]+(?:'[^\W_]+)*"
"""Letters and digits; an apostrophe inside."""


@dataclass(frozen=True, slots=True, eq=False)
class WordVectors:
    """Words and their vectors."""

    words: tuple[str, ...]
    """W different words."""
    vectors: npt.NDArray[np.float32]
    """Shape (W, D)."""

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or not self.vectors.size or len(self.words) != len(self.vectors):
            raise DataError(
                f"vectors must have shape ({len(self.words)}, n_numbers) for as many words, got "
                f"{self.vectors.shape}"
            )
        if len(set(self.words)) != len(self.words):
            raise DataError("a word came twice among the word vectors: leave one out")
        if not np.isfinite(self.vectors).all():
            raise DataError("word vectors hold nan or infinity")


def read_word_vectors(
    path: Path, *, rejects: Rejects, only: Collection[str] | None = None
) -> WordVectors:
    """Vectors of a GloVe text file (`word v1 v2 ...` a line, also .gz) or of an .npz.

    A first line with two whole numbers, as word2vec writes it, is skipped. Of a word that comes
    twice the first vector counts.

    Parameters
    ----------
    path
        An .npz holds the arrays `words`, shape (W,), and `vectors`, shape (W, D).
    rejects
        Gets the lines that can't be used; the rest goes on.
    only
        Words to keep, so that memory stays small however large the file is; None: all.

    Raises
    ------
    DataError
        If the file can't be read or no word is left.

    References
    ----------
    Pennington et al., GloVe: Global Vectors for Word Representation, 2014.
    """
    try:
        if path.suffix.lower() == ".npz":
            found = _of_npz(path)
        else:
            found = _of_lines(path, rejects, only)
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise DataError(f"{path}: can't read word vectors: {reason}") from error
    return found if only is None else _some(path, found, only)


def document_vectors(
    texts: Sequence[str], vectors: WordVectors, *, learn_from: Iterable[str] | None = None
) -> npt.NDArray[np.float32]:
    """Mean of the vectors of a text's words, each weighted by count and idf: shape (N, D).

    Zeros for a text with no known word.

    Parameters
    ----------
    learn_from
        Texts that the idf is counted in; by default the same ones. A job posted later needs the
        ones that the others had.

    Raises
    ------
    DataError
        If `learn_from` is empty.

    References
    ----------
    Talroo's resume-job recommender (Analytics Zoo on Databricks): documents as weighted averages of
    GloVe vectors. Smoothed idf: scikit-learn's TfidfVectorizer.

    Examples
    --------
    >>> vectors = WordVectors(("nurse", "cook"), np.array([[1, 0], [0, 1]], np.float32))
    >>> document_vectors(["Nurse, nurse, cook!", "no such words"], vectors).round(2)
    array([[0.67, 0.33],
           [0.  , 0.  ]], dtype=float32)
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    weigh = TfidfVectorizer(vocabulary=vectors.words, token_pattern=WORD, norm="l1")
    counted = list(texts if learn_from is None else learn_from)
    if not counted:
        if learn_from is not None:
            raise DataError("there is no text to count words in: give learn_from some, or leave it")
        return np.zeros((0, vectors.vectors.shape[1]), np.float32)
    weigh.fit(counted)
    return np.asarray(weigh.transform(texts) @ vectors.vectors, np.float32)


class WordCoder:
    """Makes codes of texts from a file of word vectors: means, in which rarer words weigh more.

    A word weighs the logarithm of its place in the file, since GloVe and word2vec write the
    frequent ones first. So a text has the same code whatever other texts there are. On the resumes
    of `bench/resumes.py` precision@10 is .260 so, .254 with idf and .244 without weights.

    Parameters
    ----------
    clean
        What is done to a text first, such as to take its tags out.
    """

    def __init__(self, path: Path, clean: Callable[[str], str], *, rejects: Rejects) -> None:
        from sklearn.feature_extraction.text import CountVectorizer

        found = read_word_vectors(path, rejects=rejects)
        with path.open("rb") as file:
            self.identity = f"word vectors {hashlib.file_digest(file, 'sha256').hexdigest()[:12]}"
        self._count = CountVectorizer(vocabulary=found.words, token_pattern=WORD)
        self._weights = np.log1p(np.arange(1, len(found.words) + 1))
        self._vectors, self._clean = found.vectors, clean

    def __call__(self, texts: Sequence[tuple[str, str]], /) -> npt.NDArray[np.float32]:
        """From titles and texts, N of them, to codes, shape (N, D); zeros without a known word."""
        counts = self._count.transform(self._clean(f"{title}\n{text}") for title, text in texts)
        weighted = counts.multiply(self._weights).tocsr()
        sums = np.asarray(weighted.sum(axis=1)).reshape(-1, 1)
        return np.asarray((weighted @ self._vectors) / np.where(sums, sums, 1), np.float32)


def _of_npz(path: Path) -> WordVectors:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            words, vectors = arrays["words"], arrays["vectors"]
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{path}: needs the arrays words (strings) and vectors (numbers): {error}"
        ) from error
    return WordVectors(tuple(map(str, words.tolist())), np.asarray(vectors, np.float32))


def _of_lines(path: Path, rejects: Rejects, only: Collection[str] | None) -> WordVectors:
    found: dict[str, npt.NDArray[np.float32]] = {}
    size = 0
    for number, line in _lines(path):
        parts = line.rstrip().split(" ")
        if number == 1 and len(parts) == 2 and all(part.isdigit() for part in parts):
            continue
        vector, problem = _vector(parts, size)
        if vector is None:
            rejects.add(path, number, None, problem)
            continue
        size = len(vector)
        word = " ".join(parts[:-size])
        if word in found:
            rejects.add(path, number, None, f"the word {word!r:.40} came before")
        elif only is None or word in only:
            found[word] = vector
    if not found:
        what = "none of the words asked for" if size else "no word with its vector"
        raise DataError(f"{path}: {what}; a line must be a word and its numbers, spaces between")
    return WordVectors(tuple(found), np.stack(list(found.values())))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Lines that hold something; a bad byte becomes a sign that no word has."""
    opened: Any = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rt", encoding="utf-8", errors="replace", newline="\n") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, line


def _vector(parts: Sequence[str], size: int) -> tuple[npt.NDArray[np.float32] | None, str]:
    """The numbers at the end of a line, as many as in the lines before, or what is wrong.

    A few words of large GloVe files have spaces in them, so the end is what counts.
    """
    if "\ufffd" in parts[0]:
        return None, "not UTF-8"
    size = size or len(parts) - 1
    if len(parts) <= size or size < 1:
        return None, f"{max(len(parts) - 1, 0)} numbers, wanted {max(size, 1)}"
    try:
        vector = np.array(parts[-size:], np.float32)
    except ValueError:
        return None, f"not {size} numbers behind a word"
    if not np.isfinite(vector).all():
        return None, "nan or infinity"
    return vector, ""


def _some(path: Path, found: WordVectors, only: Collection[str]) -> WordVectors:
    rows = [row for row, word in enumerate(found.words) if word in only]
    if not rows:
        raise DataError(f"{path}: none of the words asked for")
    return WordVectors(tuple(found.words[row] for row in rows), found.vectors[rows])
