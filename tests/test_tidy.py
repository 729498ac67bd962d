"""tools/tidy.py finds what it says it finds: a bad example for each check."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "tools"))
import tidy


@pytest.fixture
def tree(tmp_path):
    """Two rooms in order: base, and csv that depends on it."""
    for room, text in {
        "base": "rh_library(base\n    SRCS a.cc)\n",
        "csv": "rh_library(csv SRCS b.cc DEPS base TESTS b_test.cc)\n",
    }.items():
        folder = tmp_path / "src" / room
        folder.mkdir(parents=True)
        (folder / "CMakeLists.txt").write_text(text)
        (folder / "README.md").write_text("# room\n")
    (tmp_path / "src/base/a.cc").write_text("int a;\n")
    (tmp_path / "src/csv/b.cc").write_text('#include "base/a.h"\n')
    (tmp_path / "src/csv/b_test.cc").write_text('#include "csv/b.h"\n')
    return tmp_path


def findings(tree):
    return [finding for check in tidy.CHECKS for finding in check(tree)]


def test_a_tidy_tree_has_no_findings(tree):
    assert findings(tree) == []


def test_an_include_against_the_direction(tree):
    (tree / "src/base/a.cc").write_text('#include "csv/b.h"\n')
    assert findings(tree) == ["src/base/a.cc: includes csv/b.h, but base does not depend on csv"]


def test_reconcile_must_not_see_the_ingest_path_even_if_a_dependency_allows_it(tree):
    folder = tree / "src/reconcile"
    folder.mkdir()
    (folder / "CMakeLists.txt").write_text("rh_library(reconcile SRCS r.cc DEPS csv)\n")
    (folder / "README.md").write_text("# room\n")
    (folder / "r.cc").write_text('#include "csv/b.h"\n')
    assert findings(tree) == ["src/reconcile/r.cc: includes csv/b.h; reconcile must not use the ingest path"]


def test_a_cycle(tree):
    (tree / "src/base/CMakeLists.txt").write_text("rh_library(base SRCS a.cc DEPS csv)\n")
    assert len(findings(tree)) == 2


def test_a_file_too_long(tree):
    (tree / "src/base/a.cc").write_text("int a;\n" * 601)
    assert findings(tree) == ["src/base/a.cc: 601 lines; split it (at most 600)"]


def test_a_file_that_is_not_built(tree):
    (tree / "src/csv/c_test.cc").write_text("int c;\n")
    assert findings(tree) == ["src/csv/c_test.cc: no CMakeLists.txt builds it"]


def test_a_room_without_readme(tree):
    (tree / "src/csv/README.md").unlink()
    assert findings(tree) == ["src/csv: has no README.md"]


def test_words_and_names_that_do_not_belong(tree):
    (tree / "src/base/a.cc").write_text("// TO" + "DO later\n")
    (tree / "src/base/utils.h").write_text("int u;\n")
    assert len(findings(tree)) == 2
