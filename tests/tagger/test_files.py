"""Files that are damaged, of another kind, or hold rows that can't be read."""

import gzip
from pathlib import Path

import pytest

import tagger.lines
from tagger.errors import DataError
from tagger.files import open_rows
from tagger.rejects import Rejects


def read(path: Path, content: str | bytes, encoding: str = "utf-8") -> tuple[list, list[str]]:
    """Write a file and read it: (line, cells) of the good rows, "line: reason" of the others."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    rejects = Rejects()
    with open_rows(path, rejects=rejects, encoding=encoding, wanted={"text"}) as (_, rows):
        good = [(row.line, *row.cells.values()) for row in rows]
    return good, [f"{reject.line}: {reject.reason}" for reject in rejects.first]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text\ngood\n"),
        ("a.TSV", "text\ngood\n"),
        ("a.jsonl", '\n{"text": "good"}\n'),
        ("a.ndjson", '\r\n{"text": "good"}\r\n'),
        ("a.json", '\n{"text": "good"}'),
        ("a.csv.gz", gzip.compress(b"text\ngood\n")),
        ("a.jsonl.gz", gzip.compress(b'\n{"text": "good"}')),
    ],
)
def test_the_name_says_the_format(tmp_path, name, content):
    assert read(tmp_path / name, content) == ([(2, "good")], [])


def test_parquet_reads_only_the_wanted_columns(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"Text": ["a", "b"], "more": [1, 2]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    assert read(tmp_path / "a.parquet", content) == ([(1, "a"), (2, "b")], [])


@pytest.mark.parametrize("part", [2, 3])
def test_a_parquet_file_that_is_cut_off_can_not_be_used(tmp_path, part):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    content = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(DataError, match=r"a\.parquet is no parquet file, or cut off"):
        read(tmp_path / "a.parquet", content[: len(content) // part])


@pytest.mark.parametrize("name", ["a.xls", "a", "a.gz", "a.parquet.gz", "a.xlsx.gz"])
def test_an_unknown_ending_is_told_the_known_ones(tmp_path, name):
    with pytest.raises(
        DataError, match=r"must end in \.csv, .*\(each also \.gz\), \.xlsx or \.parquet"
    ):
        read(tmp_path / name, "text\na\n")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_missing_files_and_directories_can_not_be_used(tmp_path, name):
    with (
        pytest.raises(DataError, match="no such file"),
        open_rows(tmp_path / name, rejects=Rejects()),
    ):
        pass
    (tmp_path / name).mkdir()
    with (
        pytest.raises(DataError, match="is a directory"),
        open_rows(tmp_path / name, rejects=Rejects()),
    ):
        pass


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("a.csv", "", "is empty"),
        ("a.csv", "\n\n", "is empty"),
        ("a.jsonl", " \n\n", "is empty"),
        ("a.jsonl.gz", "", "is empty"),
        ("a.jsonl.gz", gzip.compress(b""), "is empty"),
        ("a.parquet", "", "is no parquet file"),
        ("a.csv", gzip.compress(b"text"), r"end in \.gz"),
        ("a.csv", b"PK\x03\x04....", "is a zip or Excel file"),
        ("a.csv.gz", "text\na\n", "is no gzip file"),
        ("a.csv", '"text" x\n', "first line is no CSV header"),
        ("a.csv", b"text,caf\xe9\n", "not UTF-8 at byte 9 of line 1"),
        ("a.json", '[{"text": "a"}, {"te', "not JSON, or cut off, after object 1"),
        ("a.json", '{\n"text": "a"', "not JSON, or cut off"),
        ("a.json", b'[{"text": "\xe9"}]', "is not UTF-8; convert the file or pass --encoding"),
        ("a.json", "[]", "is empty"),
        ("a.xlsx", "text\na\n", "is no Excel workbook"),
        ("a.csv", "text\na\n".encode("utf-16"), "pass --encoding utf-16"),
    ],
)
def test_files_that_can_not_be_used_say_why(tmp_path, name, content, problem):
    with pytest.raises(DataError, match=problem):
        read(tmp_path / name, content)


@pytest.mark.parametrize("encoding", ["utf-99", "base64"])
def test_an_unknown_encoding_is_an_error(tmp_path, encoding):
    with pytest.raises(DataError, match=f"unknown encoding '{encoding}'"):
        read(tmp_path / "a.csv", "text\na\n", encoding)


def test_a_damaged_gzip_file_can_not_be_used(tmp_path):
    content = bytearray(gzip.compress(b"text\na\nb\n"))
    content[-5] ^= 1  # the checksum
    with pytest.raises(DataError, match="checksum"):
        read(tmp_path / "a.csv.gz", bytes(content))


@pytest.mark.parametrize(
    ("name", "head", "row"),
    [("a.csv.gz", "text\n", "row {}\n"), ("a.jsonl.gz", "\n", '{{"text": "row {}"}}\n')],
)
def test_a_gzip_file_that_ends_in_the_middle_keeps_the_rows_before(tmp_path, name, head, row):
    content = head + "".join(row.format(i * i * i) for i in range(9000))
    good, bad = read(tmp_path / name, gzip.compress(content.encode())[:-2000])
    assert len(good) > 1000
    assert good == [(i + 2, f"row {i * i * i}") for i in range(len(good))]
    assert bad == [f"{len(good) + 2}: file ends in the middle; the rows before were read"]


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        (b"\xef\xbb\xbftext\n\xc3\xa9\n", "utf-8"),
        (b'\xef\xbb\xbf"text"\n\xc3\xa9\n', "UTF8"),
        ("text\né\n".encode("utf-16"), "utf-16"),
        ("text\né\n".encode("cp1252"), "cp1252"),
    ],
)
def test_encodings_and_byte_order_marks_are_understood(tmp_path, content, encoding):
    assert read(tmp_path / "a.csv", content, encoding) == ([(2, "é")], [])


def test_rows_that_are_not_utf_8_are_rejected_alone(tmp_path):
    good, bad = read(tmp_path / "a.csv", b'text\n"one\ntw\xe9"\nthree\n\xff\n')
    assert good == [(4, "three")]
    advice = "convert the file or pass --encoding"
    assert bad == [
        f"2: not UTF-8 at byte 3 of line 3; {advice}",
        f"5: not UTF-8 at byte 1 of line 5; {advice}",
    ]


def test_utf_16_that_ends_within_a_character_can_not_be_used(tmp_path):
    content = "text\na\nb\n".encode("utf-16")
    with pytest.raises(DataError, match="not UTF-16 after line 2"):
        read(tmp_path / "a.csv", content[:-1], "utf-16")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_first_line_of_a_csv_tells_its_separator(tmp_path, separator):
    good, _ = read(tmp_path / "a.csv", f"id{separator}text\n1{separator}a\n")
    assert good == [(2, "1", "a")]


def test_line_numbers_count_lines_within_quotes_and_blank_ones(tmp_path):
    good, _ = read(tmp_path / "a.csv", 'id,text\n1,"a\nb"\n\n2,"say ""x"""\n')
    assert good == [(2, "1", "a\nb"), (5, "2", 'say "x"')]


def test_wrong_numbers_of_fields_are_rejected(tmp_path):
    good, bad = read(tmp_path / "a.csv", "id,text\n1\n2,b\n3,c,d\n")
    assert good == [(3, "2", "b")]
    assert bad == ["2: 1 fields, but the header has 2", "4: 3 fields, but the header has 2"]


def test_after_a_broken_quote_the_remains_of_its_row_are_not_taken_for_rows(tmp_path):
    broken = '1,"a "star" wanted\nsecond line\nthe end","x"\n'
    good, bad = read(tmp_path / "a.csv", f'id,text\n0,a\n{broken}2,"b"\n3,5" pipe\n')
    assert good == [(2, "0", "a"), (6, "2", "b"), (7, "3", '5" pipe')]
    assert [line.split(":")[0] for line in bad] == ["3", "4", "5"]
    assert "write a quote inside a quoted field twice" in bad[0]
    assert "left over from the broken row" in bad[2]


def test_the_closing_quote_of_a_broken_row_opens_no_other(tmp_path):
    rows = '1,"a "star"\n",x\n' + '2,"b\n",y\n' + "3,c,z\n"
    good, bad = read(tmp_path / "a.csv", f"id,text,more\n{rows}")
    assert good == [(4, "2", "b\n", "y"), (6, "3", "c", "z")]
    assert len(bad) == 1


def test_a_quote_that_is_never_closed_says_how_much_it_took(tmp_path):
    good, bad = read(tmp_path / "a.csv", 'id,text\n1,a\n2,"b\n3,c\n4,d\n')
    assert good == [(2, "1", "a")]
    assert bad == ["3: the quote opened here is never closed; lines 3 to 5 are lost"]


def test_lines_that_are_not_json_objects_are_rejected(tmp_path):
    content = '{"text": "a"}\n{"text": \n[1]\n"b"\n' + "[" * 50_000 + '\n{"text": "c"}\n{"te'
    good, bad = read(tmp_path / "a.jsonl", content)
    assert good == [(1, "a"), (6, "c")]
    assert [reason[:11] for reason in bad] == [
        "2: not JSON",
        "3: a JSON v",
        "4: a JSON v",
        "5: not JSON",
        "7: not JSON",
    ]


LONG_CSV = 'text,tags\n{long}\n"{half}\n{half}\n{half}\n"\nb,c\n'
LONG_JSON = '\n{{"text": "{long}"}}\n{{"text": "{long}{long}"}}\n\n\n\n{{"text": "b", "tags": "c"}}'


@pytest.mark.parametrize(("name", "content"), [("a.csv", LONG_CSV), ("a.jsonl", LONG_JSON)])
def test_rows_that_are_too_long_are_rejected_alone(tmp_path, monkeypatch, name, content):
    monkeypatch.setattr(tagger.lines, "MAX_CHARS", 100)
    good, bad = read(tmp_path / name, content.format(long="x" * 101, half="y" * 50))
    assert good == [(7, "b", "c")]
    assert len(bad) >= 2
    assert all("longer than 100 characters" in reason for reason in bad[:2])


@pytest.mark.parametrize(
    ("name", "head", "row"), [("a.csv", "text\n", "{}\n"), ("a.jsonl", "\n", '{{"text": "{}"}}')]
)
def test_ten_megabytes_of_text_are_fine(tmp_path, name, head, row):
    text = "0123456789" * 2**20
    assert read(tmp_path / name, head + row.format(text)) == ([(2, text)], [])
