"""Which cell a model of a split is fitted on."""

from dataclasses import replace

from manyfit.contracts.store import Store
from manyfit.model.candidate import Cell
from manyfit.model.errors import NotFound
from manyfit.model.keys import CellKey, content_key
from manyfit.run.known import segments_of


def whole_cell(store: Store, split: str, variant: str, candidate: str = "") -> Cell:
    """
    Return the cell that fits on all training rows of *split*, with the first seed.

    Cells on which *candidate* (a key) has tasks come first: candidates that use no seed have cells of their
    own. Where the sweep only has folds, it is made from one of them: its key names that cell and says
    "all". Raises `NotFound` for a split without tasks.
    """
    cells = _own_cells(store, split, variant, candidate) or _cells(store, split, variant)
    if not cells:
        raise NotFound(f'no task has the split "{split}"')
    whole = sorted((cell for cell in cells if cell.fold is None), key=lambda cell: cell.seed)
    if whole:
        return whole[0]
    first = min(cells, key=lambda cell: (cell.seed, cell.fold or 0, cell.key))
    return replace(first, key=CellKey(content_key({"all": first.key})), fold=None)


def _cells(store: Store, split: str, variant: str) -> list[Cell]:
    return [
        cell
        for segment in segments_of(store)
        for cell in segment.cells
        if cell.split == split and cell.variant == variant
    ]


def _own_cells(store: Store, split: str, variant: str, candidate: str) -> list[Cell]:
    """Return the cells of the tasks of *candidate*."""
    found: dict[CellKey, Cell] = {}
    for segment in segments_of(store) if candidate else ():
        mine = {at for at, one in enumerate(segment.candidates) if (one.key, one.variant) == (candidate, variant)}
        for unit in segment.units if mine else ():
            for at, place in zip(unit.candidates, unit.cells, strict=True):
                cell = segment.cells[place]
                if at in mine and cell.split == split:
                    found[cell.key] = cell
    return list(found.values())
