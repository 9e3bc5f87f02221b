"""Tables: the sections of one type of a package, as rows."""

from __future__ import annotations

from . import _ffi, _keys, _library
from ._convert import to_bytes
from ._errors import Exists, NotFound, check, text
from ._ffi import CMS_ERR_END

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator, List, Optional, Tuple, Union

    from ._edited import EditedSection
    from ._section import Section
    from ._tree import Tree
    from ._txn import Transaction


class Table:
    """The sections of one type of a package, as rows, in one state. A row is a `Section`: a mapping of the names of
    the columns to the cells, which are the values of the options.

    Iterating yields the rows in the order of the file."""

    __slots__ = ("_ref", "_tree", "package", "type")

    def __init__(self, tree: Tree, package: str, type: str) -> None:
        self._tree = tree
        self.package = package
        self.type = type
        self._ref = self._open()

    def _open(self) -> Any:
        """Opens the table of a snapshot, which keeps the state of the package from now on."""
        snapshot: Any = self._tree
        raw = _keys.encode(self.package, "package"), _keys.encode(self.type, "type")
        make = _library.library().cms_snapshot_table_open
        status, ref = _library.own(_ffi.cms_table, make, snapshot._use(), *raw)
        check(status, self.package)
        return ref

    def __repr__(self) -> str:
        return f"<cms.Table {self.package} {self.type}>"

    def __iter__(self) -> Iterator[Section]:
        return self._tree._sections(self.package, self.type)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return True

    def __getitem__(self, name: str) -> Section:
        """Returns the row of that name."""
        key = f"{self.package}.{name}"
        found: Any = self._tree._find(key) if _keys.parts(key) == 2 else None
        if getattr(found, "type", None) != self.type:
            raise NotFound(f"{key}: not found", key=key)
        row: Section = found
        return row

    @property
    def columns(self) -> List[str]:
        """The names of all options that a row has, in the order in which they come first."""
        found: Dict[str, None] = {}
        for row in self:
            found.update(dict.fromkeys(row))
        return list(found)

    def find(self, **cells: Any) -> Optional[Section]:
        """Returns the first row with these cells, `find(id=1)`; None if there is none. A list has a cell if it is one
        of its items."""
        return next(self.rows(**cells), None)

    def rows(self, sort: Optional[str] = None, **cells: Any) -> Iterator[Section]:
        """Iterates over the rows with these cells; sorted by a column, numbers by their value, before other text.

        Rows without that column are last."""
        wanted = [(column, to_bytes(value)) for column, value in cells.items()]
        (column, value), rest = (wanted[0], wanted[1:]) if wanted else ((None, b""), [])
        rows = self._select(column, value, sort)
        return (row for row in rows if all(_has(row, column, value) for column, value in rest))

    def _select(self, column: Optional[str], value: bytes, sort: Optional[str]) -> Iterator[Section]:
        lib, place, tree = _library.library(), _ffi.cms_section(), self._tree
        names = [None if name is None else _keys.encode(name, "column") for name in (column, sort)]
        make = lib.cms_table_section_iter_open
        status, rows = _library.own(_ffi.cms_section_iter, make, self._ref, names[0], value, names[1])
        check(status, self.package)
        while True:
            status = lib.cms_section_iter_next(rows, place)
            if status == CMS_ERR_END:
                return
            check(status, self.package)
            name, kind = text(place.name.data), text(place.type.data)
            yield tree._section_type(tree, self.package, name, kind, bool(place.anonymous))


def _has(row: Section, column: str, value: bytes) -> bool:
    cell = row.get(column)
    return text(value) in (cell if isinstance(cell, list) else [cell])


class EditedTable(Table):
    """A table in a transaction, whose rows can be changed: `txn.table("users", "user").insert(id=2, name="guest")`."""

    __slots__ = ()

    _tree: Transaction

    if TYPE_CHECKING:

        def __iter__(self) -> Iterator[EditedSection]: ...

        def __getitem__(self, name: str) -> EditedSection: ...

        def find(self, **cells: Any) -> Optional[EditedSection]: ...

        def rows(self, sort: Optional[str] = None, **cells: Any) -> Iterator[EditedSection]: ...

    def _select(self, column: Optional[str], value: bytes, sort: Optional[str]) -> Iterator[Section]:
        rows: Iterator[Section] = iter(self)
        if column is not None:
            rows = (row for row in rows if _has(row, column, value))
        return rows if sort is None else iter(sorted(rows, key=lambda row: _order(row.get(sort))))

    def _open(self) -> Any:
        if _keys.parts(self.package) != 1:
            raise ValueError(f"{self.package!r} is not the name of a package")
        return None

    def insert(self, name: Optional[str] = None, /, **cells: Any) -> EditedSection:
        """Inserts a row behind the other sections of its package, and returns it. Without a name it is anonymous.

        A missing package is made. Raises Exists if there is a section of that name; nothing is changed then."""
        txn = self._tree
        point = txn.savepoint()
        try:
            if name is None:
                name = txn.add(self.package, self.type)
            elif f"{self.package}.{name}" in txn:
                raise Exists(f"{self.package}.{name}: the name is in use", key=f"{self.package}.{name}")
            else:
                txn.set(f"{self.package}.{name}", self.type)
            for column, value in cells.items():
                txn.set(f"{self.package}.{name}.{column}", value)
        except BaseException:
            txn.rollback_to(point)
            raise
        return self[name]

    def update(self, row: Union[str, Section], /, **cells: Any) -> None:
        """Sets cells of a row; None deletes one. Raises NotFound if there is no such row; nothing is changed then."""
        found = self[row if isinstance(row, str) else row.name]
        txn = self._tree
        point = txn.savepoint()
        try:
            for column, value in cells.items():
                txn.set(found._full(column), "" if value is None else value)
        except BaseException:
            txn.rollback_to(point)
            raise

    def delete(self, row: Union[str, Section], /) -> None:
        """Deletes a row. Raises NotFound if there is no such row."""
        self._tree.delete(self[row if isinstance(row, str) else row.name].key)


def _order(cell: Any) -> Tuple[Any, ...]:
    """Returns the key by which the library sorts cells."""
    from decimal import Decimal
    from re import fullmatch

    first = next(iter(cell), None) if isinstance(cell, list) else cell
    if first is None:
        return (2,)
    raw = first.encode(errors="surrogateescape")
    if fullmatch("-?[0-9]+([.][0-9]+)?", first):
        return (0, Decimal(first), raw)
    return (1, raw)
