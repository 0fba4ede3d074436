"""Excel workbooks (.xlsx) of one sheet, written row by row."""

from collections.abc import Sequence
from pathlib import Path

from tagger.errors import DataError
from tagger.excel_rows import need_openpyxl

MAX_CHARS, MAX_ROWS = 32_767, 1_048_576
"""What Excel takes: characters of a cell, and rows of a sheet."""


class SheetWriter:
    """Collects rows in a file beside the disk's other temporary ones; `save` makes the workbook.

    Texts stay texts: what looks like a formula is none.
    """

    def __init__(self, path: Path, header: Sequence[str]) -> None:
        self._path = path
        self._openpyxl = need_openpyxl(path)
        self._book = self._openpyxl.Workbook(write_only=True)
        self._sheet = self._book.create_sheet("jobtool")
        self._n_rows = 0
        self._is_saved = False
        self.write(header)

    def write(self, row: Sequence[object]) -> None:
        """Write one row.

        Raises
        ------
        DataError
            If Excel can't hold it.
        """
        self._n_rows += 1
        if self._n_rows > MAX_ROWS:
            raise DataError(f"{self._path}: Excel holds {MAX_ROWS:,} rows; write a .csv instead")
        self._sheet.append([self._cell(value) for value in row])

    def save(self, path: Path) -> None:
        """Write the workbook."""
        self._is_saved = True
        self._book.save(path)

    def discard(self) -> None:
        """Remove what was collected, unless it was saved."""
        if not self._is_saved:
            self._is_saved = True
            self._sheet.close()
            self._sheet._writer.cleanup()

    def _cell(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        if len(value) > MAX_CHARS:
            raise DataError(
                f"{self._path}: row {self._n_rows} has a text of {len(value):,} characters, Excel "
                f"holds {MAX_CHARS:,} in a cell; write a .csv instead"
            )
        from openpyxl.cell import WriteOnlyCell
        from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

        text = value.encode("utf-8", "replace").decode()
        cell = WriteOnlyCell(self._sheet, ILLEGAL_CHARACTERS_RE.sub("\ufffd", text))
        cell.data_type = "s"
        return cell
