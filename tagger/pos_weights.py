"""Weights of the part-of-speech tagger: training with NLTK, storage, and the way back to NLTK.

Letters for axes: T tags, S = T + 2 tags with the two that stand before a sentence.
"""

import random
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tagger.errors import DataError, ModelError

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

    from nltk.tag.perceptron import PerceptronTagger

TaggedSentence = Sequence[tuple[str, str]]

FORMAT = 1
MAX_TAGS = 254
"""A state (a tag, or one of the two that stand before a sentence) fits into a byte."""

START, END = ("-START-", "-START2-"), ("-END-", "-END2-")
OF_WORD = ("i word", "i-1 word", "i-2 word", "i+1 word", "i+2 word")
OF_SUFFIX = ("i suffix", "i-1 suffix", "i+1 suffix")
OF_PREFIX = ("i pref1",)
OF_TAG_AND_WORD = "i-1 tag+i word"


class PosWeights(NamedTuple):
    """What training leaves behind, in the form in which it is stored.

    `counts` has one number for each possible feature, in the order of `feature_names`: how many
    of the next `classes` (places in `tags`) and `values` (thousandths) are its own.
    """

    tags: list[str]
    words: list[str]
    suffixes: list[str]
    prefixes: list[str]
    fixed_words: list[str]
    fixed_tags: npt.NDArray[np.uint8]
    counts: npt.NDArray[np.uint8]
    classes: npt.NDArray[np.uint8]
    values: npt.NDArray[np.int32]


_LISTS = ("tags", "words", "suffixes", "prefixes", "fixed_words")


def train_weights(
    sentences: Iterable[TaggedSentence], *, n_iter: int = 5, seed: int = 0
) -> PosWeights:
    """Train on (word, tag) pairs with NLTK's own trainer, at about 15,000 words a second.

    Raises
    ------
    DataError
        If a sentence, word or tag is empty or has a line break, or if there are no tags or more
        than `MAX_TAGS`.
    """
    from nltk.tag.perceptron import PerceptronTagger

    checked = [_checked(sentence) for sentence in sentences]
    n_tags = len({tag for sentence in checked for _, tag in sentence})
    if not 1 <= n_tags <= MAX_TAGS:
        raise DataError(f"a tagger learns 1 to {MAX_TAGS} tags, got {n_tags}")
    trained = PerceptronTagger(load=False)
    state = random.getstate()
    try:
        random.seed(seed)  # the trainer shuffles with the global generator
        trained.train(checked, nr_iter=n_iter)
    finally:
        random.setstate(state)
    return _pack(trained.model.weights, trained.tagdict, trained.classes)


def nltk_tagger(weights: PosWeights, *, unit: int = 1000) -> "PerceptronTagger":
    """NLTK's tagger with the same weights, for comparison.

    Parameters
    ----------
    unit
        Weights are divided by it. 1000 gives the numbers that NLTK trained. 1 leaves whole
        numbers, whose sums are exact there too: then even ties are broken alike.
    """
    from nltk.tag.perceptron import PerceptronTagger

    tagger = PerceptronTagger(load=False)
    labels = [weights.tags[i] for i in weights.classes.tolist()]
    pairs = zip(labels, (weights.values / unit).tolist(), strict=True)
    for name, count in zip(feature_names(weights), weights.counts.tolist(), strict=True):
        if count:
            tagger.model.weights[name] = dict(next(pairs) for _ in range(count))
    fixed = zip(weights.fixed_words, weights.fixed_tags.tolist(), strict=True)
    tagger.tagdict = {word: weights.tags[i] for word, i in fixed}
    tagger.classes = tagger.model.classes = set(weights.tags)
    return tagger


def feature_names(weights: PosWeights) -> Iterator[str]:
    """NLTK's name of every possible feature, in the order in which they are stored.

    Each part begins with the empty word, which no feature has: the place of unknown words.
    """
    states = [*weights.tags, *START]
    words = ["", *weights.words]
    yield from (f"{kind} {word}" for word in words for kind in OF_WORD)
    yield from (f"{kind} {end}" for end in ["", *weights.suffixes] for kind in OF_SUFFIX)
    yield from (f"{kind} {letter}" for letter in ["", *weights.prefixes] for kind in OF_PREFIX)
    yield "bias"
    yield from (f"i-1 tag {last}" for last in states)
    yield from (f"i-2 tag {before}" for before in states)
    yield from (f"i tag+i-2 tag {last} {before}" for last in states for before in states)
    yield from (f"{OF_TAG_AND_WORD} {last} {word}" for word in words for last in states)


def feature_sizes(weights: PosWeights) -> tuple[int, ...]:
    """Features about words, suffixes, prefixes, one tag (and the bias), two tags, tag and word."""
    n_states, n_words = len(weights.tags) + 2, len(weights.words) + 1
    return (
        n_words * len(OF_WORD),
        (len(weights.suffixes) + 1) * len(OF_SUFFIX),
        (len(weights.prefixes) + 1) * len(OF_PREFIX),
        1 + 2 * n_states,
        n_states * n_states,
        n_words * n_states,
    )


def write_weights(weights: PosWeights, path: Path) -> None:
    """Write a compressed .npz file that holds no pickle."""
    arrays: dict[str, Any] = {
        name: _lines_to_bytes(value) if isinstance(value, list) else value
        for name, value in weights._asdict().items()
    }
    with path.open("wb") as file:
        np.savez_compressed(file, format=np.array(FORMAT), **arrays)


def read_weights(path: "Traversable") -> PosWeights:
    """Read and check a file of `write_weights`, on disk or in a package.

    Raises
    ------
    ModelError
        If the file is missing, damaged or of another format.
    """
    try:
        # Opened here: numpy would leave a file open that is no whole zip archive.
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            found = int(stored["format"])
            if found != FORMAT:
                raise ModelError(
                    f"{path} has format {found}, this version reads {FORMAT}; train it again"
                )
            fields: dict[str, Any] = {field: stored[field] for field in PosWeights._fields}
        for field in _LISTS:
            fields[field] = fields[field].tobytes().decode().split("\n")[:-1]
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(f"{path} can't be read as part-of-speech weights: {error}") from error
    weights = PosWeights(**fields)
    if not _fits_together(weights):
        raise ModelError(f"{path} is damaged: its parts do not fit together; train it again")
    return weights


def _fits_together(weights: PosWeights) -> bool:
    n_tags, n_values = len(weights.tags), len(weights.values)
    return (
        0 < n_tags <= MAX_TAGS
        and len(weights.fixed_tags) == len(weights.fixed_words)
        and len(weights.counts) == sum(feature_sizes(weights))
        and int(weights.counts.sum(dtype=np.int64)) == len(weights.classes) == n_values
        and int(weights.classes.max(initial=0)) < n_tags
        and int(weights.fixed_tags.max(initial=0)) < n_tags
        # 14 features a token: their sum stays below 2**24, where float32 is exact.
        and int(np.abs(weights.values).max(initial=0)) < 1 << 20
    )


def _checked(sentence: TaggedSentence) -> list[tuple[str, str]]:
    if not sentence:
        raise DataError("a tagged sentence must not be empty")
    for pair in sentence:
        if not all(pair) or any("\n" in name for name in pair):
            raise DataError(f"a word and its tag must be text without line breaks, got {pair!r}")
    return list(sentence)


def _pack(
    trained: Mapping[str, Mapping[str, float]], tagdict: Mapping[str, str], classes: Iterable[str]
) -> PosWeights:
    """Arrays of a tagger that NLTK trained; its weights have three decimals, so none is lost."""
    # Reverse alphabetical: argmax takes the first of equal scores, NLTK the alphabetically last.
    tags = sorted(classes, reverse=True)
    tag_ids = {tag: i for i, tag in enumerate(tags)}
    used = [name for name, own in trained.items() if own]
    fixed = sorted(tagdict)
    empty = np.empty(0, np.uint8)
    weights = PosWeights(
        tags=tags,
        words=_subjects(used, (*OF_WORD, OF_TAG_AND_WORD)),
        suffixes=_subjects(used, OF_SUFFIX),
        prefixes=_subjects(used, OF_PREFIX),
        fixed_words=fixed,
        fixed_tags=np.array([tag_ids[tagdict[word]] for word in fixed], np.uint8),
        counts=empty,
        classes=empty,
        values=empty.astype(np.int32),
    )
    features = [trained.get(name, {}) for name in feature_names(weights)]
    stored = [sorted((tag_ids[tag], value) for tag, value in own.items()) for own in features]
    return weights._replace(
        counts=np.array([len(own) for own in stored], np.uint8),
        classes=np.array([tag for own in stored for tag, _ in own], np.uint8),
        values=np.array([round(value * 1000) for own in stored for _, value in own], np.int32),
    )


def _subjects(names: Iterable[str], kinds: Sequence[str]) -> list[str]:
    """The words (suffixes, first letters) that features of some kinds are about, sorted."""
    found = set()
    for name in names:
        kind = next((kind for kind in kinds if name.startswith(f"{kind} ")), None)
        if kind is not None:
            subject = name.removeprefix(f"{kind} ")
            found.add(subject.partition(" ")[2] if kind == OF_TAG_AND_WORD else subject)
    return sorted(found)


def _lines_to_bytes(lines: list[str]) -> npt.NDArray[np.uint8]:
    return np.frombuffer("".join(f"{line}\n" for line in lines).encode(), np.uint8)
