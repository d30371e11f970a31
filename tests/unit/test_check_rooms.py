"""scripts/check_rooms.py finds each fault that it promises to find."""

import ast
import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "check_rooms.py"


@pytest.fixture
def check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("check_rooms", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "SOURCE", tmp_path)
    monkeypatch.setattr(module, "LONGER", {})
    return module


def trees(folder: Path, **files: str) -> dict[Path, ast.Module]:
    made = {}
    for name, text in files.items():
        file = folder / "tifo" / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
        made[file] = ast.parse(text)
    return made


def test_an_import_inside_a_function_closes_a_circle(check: ModuleType, tmp_path: Path) -> None:
    found = trees(tmp_path, a="from tifo.b import x", b="def f():\n    from tifo.a import y\n", c="import tifo.a")
    assert list(check.circles(found)) == ["These modules import one another: tifo.a, tifo.b."]


def test_an_import_for_types_alone_closes_none(check: ModuleType, tmp_path: Path) -> None:
    found = trees(tmp_path, a="from tifo.b import x", b="if TYPE_CHECKING:\n    from tifo.a import y\n")
    assert list(check.circles(found)) == []


def test_a_public_class_stands_once_and_private_ones_as_often_as_they_like(check: ModuleType, tmp_path: Path) -> None:
    found = trees(tmp_path, a="class Cursor: ...\nclass _Row: ...", b="class Cursor: ...\nclass _Row: ...")
    (fault,) = check.doubled_classes(found)
    assert "Cursor stands in tifo/a.py, tifo/b.py" in fault


def test_a_long_file_is_a_fault_unless_it_is_listed_and_a_listed_one_must_be_long(
    check: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trees(tmp_path, long="x = 1\n" * 401, short="x = 1\n")
    assert ["tifo/long.py has 401 lines" in fault for fault in check.long_files(found)] == [True]
    monkeypatch.setattr(check, "LONGER", {"tifo/long.py": "a reason", "tifo/short.py": "none any more"})
    (fault,) = check.long_files(found)
    assert fault.startswith("tifo/short.py is listed")
