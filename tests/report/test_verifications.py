"""The files of verifications: what earlier versions wrote is read, and written the same."""

import json
from pathlib import Path

import pytest

from manyfit.model.errors import StoreCorrupt
from manyfit.model.verification import summary_from_json, summary_to_json
from manyfit.report.verifications import headline, store_verification, verification, verifications
from manyfit.stores.directory import DirectoryStore

ASSETS = Path(__file__).parent / "assets"
FILES = sorted(ASSETS.glob("verification_*.json"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_of_an_earlier_version_is_read_and_written_the_same(path):
    """Byte for byte: names, order and absent parts are what programs and copies of sweeps rely on."""
    text = path.read_text()
    value = json.loads(text)
    summary = summary_from_json(value)
    written = {"format": 1, "id": value["id"], **summary_to_json(summary)}
    assert json.dumps(written, ensure_ascii=False, indent=1, allow_nan=False) == text
    assert summary_from_json(written) == summary
    hash(summary.source)


def test_what_a_problem_does_not_have_is_absent():
    """A regression has no classes; a classification with categories and groups has all parts."""
    classes, numbers = (summary_from_json(json.loads(path.read_text())).models[0].figures for path in FILES)
    assert [rates.name for rates in classes.classes] == ["k0", "k1", "k2"]
    assert [rates.name for rates in classes.categories] == ["a", "b"]
    assert sum(group.n_rows for group in classes.groups) == classes.n_rows
    assert numbers.classes is numbers.categories is numbers.confusion_matrix is None
    assert set(numbers.scores) == {"r2", "mae", "rmse"}


def test_a_stored_file_is_found_and_a_torn_one_is_told(tmp_path):
    """What is read again is equal; a file of which a part is gone names itself."""
    store = DirectoryStore.create(tmp_path / "w.sweep", sweep="w")
    value = json.loads(FILES[0].read_text())
    found = store_verification(store, summary_from_json(value), b"rows", value["id"])
    assert found == verification(store, value["id"][:4])
    assert found.to_json() == value
    assert headline(found.summary) in found._repr_html_()

    del value["models"][0]["gap"]
    store.artifacts.put("artifacts/verifications/torn.json", json.dumps(value).encode())
    with pytest.raises(StoreCorrupt, match=r"torn\.json .* is no verification \(KeyError\('gap'\)\)"):
        verifications(store)


def test_files_of_another_format_are_left_alone(tmp_path):
    """They belong to another version of manyfit, whatever is in them."""
    store = DirectoryStore.create(tmp_path / "w.sweep", sweep="w")
    store.artifacts.put("artifacts/verifications/later.json", b'{"format": 2, "id": "x"}')
    assert verifications(store) == []
