"""Word vectors: reading files as they come, and means of texts."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from matcher.word_vectors import WordCoder, WordVectors, document_vectors, read_word_vectors
from tagger.errors import DataError
from tagger.rejects import Rejects

VECTORS = WordVectors(("nurse", "cook", "don't"), np.eye(3, dtype=np.float32))


def read(path: Path, content: bytes, only: set[str] | None = None) -> tuple[WordVectors, Rejects]:
    path.write_bytes(content)
    rejects = Rejects()
    return read_word_vectors(path, rejects=rejects, only=only), rejects


def test_a_glove_file_is_read_and_bad_lines_are_told_of(tmp_path: Path) -> None:
    lines = [
        b"nurse 1 0.5",
        b"cook 1",
        b". . . 3 4",
        b"cook x 2",
        b"b\xff 1 2",
        b"nurse 9 9",
        b"nan nan 1",
        b"",
        b"cook -1 2e-1",
    ]
    found, rejects = read(tmp_path / "glove.txt", b"\n".join(lines))
    assert found.words == ("nurse", ". . .", "cook")
    assert found.vectors.tolist() == [[1, 0.5], [3, 4], [-1, pytest.approx(0.2)]]
    reasons = {reject.line: reject.reason for reject in rejects.first}
    assert reasons == {
        2: "1 numbers, wanted 2",
        4: "not 2 numbers behind a word",
        5: "not UTF-8",
        6: "the word 'nurse' came before",
        7: "nan or infinity",
    }


def test_gzip_a_header_of_word2vec_and_a_choice_of_words_are_understood(tmp_path: Path) -> None:
    content = gzip.compress(b"2 2\nnurse 1 2\ncook 3 4\n")
    found, rejects = read(tmp_path / "words.txt.gz", content, only={"cook"})
    assert (found.words, found.vectors.tolist(), rejects.count) == (("cook",), [[3, 4]], 0)


def test_an_npz_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "words.npz"
    np.savez(path, words=np.array(VECTORS.words), vectors=VECTORS.vectors)
    found = read_word_vectors(path, rejects=Rejects(), only={"cook", "nurse"})
    assert found.words == ("nurse", "cook")
    assert np.array_equal(found.vectors, VECTORS.vectors[:2])


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("a.txt", b"one\ntwo\n", "no word with its vector"),
        ("a.txt.gz", b"nurse 1 2\n", "can't read word vectors"),
        ("a.npz", b"PK", "a.npz"),
    ],
)
def test_a_file_of_something_else_is_one_clear_error(
    tmp_path: Path, name: str, content: bytes, match: str
) -> None:
    with pytest.raises(DataError, match=match):
        read(tmp_path / name, content)


def test_a_missing_file_and_an_npz_of_other_arrays_or_of_objects_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_word_vectors(tmp_path / "none.txt", rejects=Rejects())
    np.savez(tmp_path / "other.npz", words=np.array(["a"]))
    with pytest.raises(DataError, match="needs the arrays words"):
        read_word_vectors(tmp_path / "other.npz", rejects=Rejects())
    np.savez(tmp_path / "bad.npz", words=np.array([{}]), vectors=np.ones((1, 2)))
    with pytest.raises(DataError, match="needs the arrays words"):
        read_word_vectors(tmp_path / "bad.npz", rejects=Rejects())


def test_rare_words_weigh_more_and_case_and_signs_do_not_matter() -> None:
    texts = ["Nurse, COOK; nurse!", "cook", "cook don't", ""]
    found = document_vectors(texts, VECTORS)
    assert found.shape == (4, 3)
    assert found[0, 0] > 2 / 3 > found[0, 1] > 0
    assert found.sum(axis=1) == pytest.approx([1, 1, 1, 0])
    assert found[2, 2] > found[2, 1]


def test_the_idf_can_come_from_other_texts_so_that_a_new_text_gets_the_same_vector_alone() -> None:
    known = ["nurse cook", "cook", "cook don't"]
    together = document_vectors(known, VECTORS)
    alone = document_vectors(known[:1], VECTORS, learn_from=known)
    assert np.array_equal(together[:1], alone)


def test_no_text_has_no_vector_and_an_idf_needs_some() -> None:
    assert document_vectors([], VECTORS).shape == (0, 3)
    with pytest.raises(DataError, match="no text to count words in"):
        document_vectors(["nurse"], VECTORS, learn_from=[])


def test_vectors_and_words_must_belong_together() -> None:
    with pytest.raises(DataError, match="vectors must have shape"):
        WordVectors(("a",), np.ones((2, 2), np.float32))
    with pytest.raises(DataError, match="came twice"):
        WordVectors(("a", "a"), np.ones((2, 2), np.float32))


def test_a_text_has_one_code_alone_and_among_others_in_which_rare_words_weigh_more(
    tmp_path: Path,
) -> None:
    (tmp_path / "glove.txt").write_text("the 1 0\nnurse 0 1\n")
    code = WordCoder(tmp_path / "glove.txt", str.upper, rejects=Rejects())
    texts = [("The", "nurse"), ("", "nurse, nurse"), ("", ""), ("no", "such")]
    found = code(texts)
    rare = np.log(3) / np.log(6)
    assert found == pytest.approx(np.array([[1 - rare, rare], [0, 1], [0, 0], [0, 0]]))
    assert np.array_equal(found[:1], code(texts[:1]))


def test_codes_are_named_after_the_contents_of_the_file(tmp_path: Path) -> None:
    contents = ("nurse 0 1\n", "nurse 0 1\n", "nurse 1 0\n")
    for name, content in zip("abc", contents, strict=True):
        (tmp_path / name).write_text(content)
    a, b, c = (WordCoder(tmp_path / name, str, rejects=Rejects()).identity for name in "abc")
    assert a == b != c
