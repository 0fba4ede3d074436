"""What is shipped, what depends on what, and what must never be imported."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
PACKAGES = ("jobtool", "tagger", "matcher", "db")
SHIPPED = (*PACKAGES, "cli")

# What each of ours may import of ours.
ARROWS = {
    **{package: {package} for package in PACKAGES},
    "matcher": {"matcher", "tagger"},
    "db": {"db", "tagger"},
    "cli": set(SHIPPED),
    "jobtool": set(SHIPPED),
}
# What of the tagger the matcher stands on: files and errors, never a network or a text.
PLUMBING = {
    *(
        "column_options",
        "errors",
        "figures",
        "files",
        "grid",
        "harmless",
        "pages",
        "progress",
        "quiet",
    ),
    *("records", "rejects", "storage", "writing"),
}
# What of the tagger the database stands on: what a tag is said to mean, how names and postings are
# written as terms, what fields of feeds say, pages, and the files of a model that is rebuilt; never
# a network or a model.
MEANING = {
    *(
        "column_options",
        "columns",
        "errors",
        "tag_info",
        "text",
        "feed_facts",
        "figures",
        "grid",
        "harmless",
        "pages",
        "times",
    ),
    *("storage", "versions"),
}

# Tagging one posting loads these modules, and nothing slow may come with them.
SERVING = (
    *("tagger.errors", "tagger.jobs", "tagger.labels", "tagger.files"),
    *("tagger.text", "tagger.pos", "tagger.features", "tagger.model", "cli"),
)
SLOW = {"jinja2", "keras", "matplotlib", "nltk", "pandas", "pyarrow", "sklearn", "tensorflow"}

# A file of one of these can run code when it is read.
UNSAFE_FORMATS = {"cloudpickle", "dill", "joblib", "marshal", "pickle", "shelve"}

IMPORT_NAMES = {
    "pystemmer": "Stemmer",
    "python-dateutil": "dateutil",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
    "tensorflow-cpu": "tensorflow",
    "xgboost-cpu": "xgboost",
}
NOT_IMPORTED = {
    "tensorflow": "the backend that keras loads by itself",
}


def sources(*names: str) -> list[Path]:
    """Python files below the named folders, or the modules of that name."""
    found = [
        path
        for name in names
        for path in (*(ROOT / name).rglob("*.py"), ROOT / f"{name}.py")
        if path.is_file()
    ]
    assert found, f"no source found for {names}"
    return found


def imports(path: Path) -> Iterator[str]:
    """Top-level names that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def imported_by(*names: str) -> set[str]:
    return {name for path in sources(*names) for name in imports(path)}


def import_names(requirements: list[str]) -> set[str]:
    """Names to import what the requirements install."""
    names = (re.match(r"[\w.-]+", requirement) for requirement in requirements)
    plain = [name.group().lower() for name in names if name]
    return {IMPORT_NAMES.get(name, name) for name in plain}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel of this tree, built from a copy and without the network."""
    folder = tmp_path_factory.mktemp("wheel")
    skipped = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    shutil.copytree(ROOT, folder / "tree", ignore=skipped)
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-index", "--no-deps"]
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--wheel-dir", str(folder), str(folder / "tree")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(next(folder.glob("*.whl")))


def test_the_wheel_holds_the_listed_packages_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    tops = {name.split("/")[0] for name in wheel.namelist()}
    assert tops == {*PACKAGES, "cli.py", f"jobtool-{PROJECT['version']}.dist-info"}


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile) -> None:
    expected = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {n for n in wheel.namelist() if n.split("/")[0] in PACKAGES} == expected


def test_the_wheel_holds_the_licence_and_the_notice(wheel: zipfile.ZipFile) -> None:
    names = {name.split("/")[-1] for name in wheel.namelist() if "/licenses/" in name}
    assert names == {"LICENSE", "NOTICE"}


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_says_that_it_is_typed(package: str) -> None:
    assert (ROOT / package / "py.typed").is_file()


def test_the_changelog_has_a_section_for_this_version() -> None:
    assert f"## [{PROJECT['version']}]" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_installed_command_tells_the_version_of_the_project() -> None:
    command = Path(sys.executable).with_name("jobtool")
    try:
        installed = version("jobtool")
    except PackageNotFoundError:
        pytest.skip("jobtool is not installed here; `make test` installs it")
    done = subprocess.run([command, "--version"], capture_output=True, text=True, check=True)
    assert [installed, done.stdout.split()[-1]] == [PROJECT["version"]] * 2


@pytest.mark.parametrize("name", SHIPPED)
def test_imports_follow_the_arrows(name: str) -> None:
    assert imported_by(name) & set(SHIPPED) <= ARROWS[name]


def used_of_the_tagger(package: str) -> set[str]:
    return {
        name.split(".")[1]
        for path in sources(package)
        for name in re.findall(r"^\s*(?:from|import) (tagger\.\w+)", path.read_text("utf-8"), re.M)
    }


def test_the_matcher_uses_the_files_and_errors_of_the_tagger_alone() -> None:
    assert used_of_the_tagger("matcher") <= PLUMBING


def test_the_database_uses_terms_and_meanings_of_the_tagger_alone() -> None:
    assert used_of_the_tagger("db") <= MEANING


@pytest.mark.parametrize("module", SERVING)
def test_the_serving_path_loads_nothing_slow(module: str) -> None:
    code = f"import sys, {module}; print(*{SLOW} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout.split()) == (0, []), done.stderr


def test_nothing_reads_or_writes_pickle() -> None:
    users = {
        path.relative_to(ROOT).as_posix(): unsafe
        for path in sources(*SHIPPED, "tests", "bench", "scripts")
        if (unsafe := UNSAFE_FORMATS.intersection(imports(path)))
    }
    assert users == {}


def test_every_dependency_is_imported_or_explained() -> None:
    declared = import_names(PROJECT["dependencies"])
    assert declared - imported_by(*SHIPPED) == set(NOT_IMPORTED)


def test_every_import_is_a_declared_dependency() -> None:
    third_party = imported_by(*SHIPPED) - set(SHIPPED) - sys.stdlib_module_names
    extras = PROJECT["optional-dependencies"]
    declared = PROJECT["dependencies"] + extras["tensorboard"] + extras["excel"]
    assert third_party <= import_names(declared)
