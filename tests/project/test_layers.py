"""Who may import whom: downward only, in one order that this file states."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.project.sources import calls_in, imports_of, modules

LAYERS = (
    # What everything may use, and what uses nothing.
    "counting",
    "codes errors text settings stop failpoints layout hardening arns secret durations published",
    "privacy part target",
    "grouped device binding files breaker signals sightings scratch passwords",
    "appender permissions device_policy pkcs8 recipients",
    "keys lock audit",
    "inspection cores sealing",
    # Each knows the layers above it in this list, and none of its neighbours.
    "manifest aws bundles ledger meter local mqtt",
    "history things contest plan workers staging unsealing ownership withdrawal rotation made",
    "gathering meeting elsewhere",
    "purge exported scope",
    "keymaking begun places",
    "removal doubts limits encryption preflight revocation undoing resources cluster bucket",
    "reconcile workshop",
    "issuance",
    "report lanes",
    "relisting",
    "run verify status retire revoke merge",
    "export fleet",
    "progress",
    "cli",
    "__main__",
)
"""The order: a module or package imports only from lines above its own, and from its own package."""

TERMINAL = {"rich", "typer"}
HEAVY = {
    "aiobotocore",
    "aiohttp",
    "anyio",
    "asyncio",
    "botocore",
    "certifi",
    "cryptography",
    "ministack",
    "paho",
    "sqlite3",
}

MAY_OPEN_FILES = {
    "pipeline.files",
    "pipeline.appender",
    "pipeline.lock",  # the run's lock, which holds a process id for people
    "pipeline.ledger.schema",  # SQLite writes its own file
    "pipeline.scratch",  # a scratch database without a name
    "pipeline.manifest.roster",  # a scratch database, gone when the command ends
    "pipeline.local.launcher",
    "pipeline.local.server",
    "pipeline.local.state",  # the embedded AWS IoT's own folder, which holds no device's key
}
"""Where files are opened for writing; everybody else asks ``files``."""


def part(module: str) -> str:
    """Return the module or package right below ``pipeline`` that a module belongs to."""
    return ([*module.split("."), "__init__"])[1]


def rank(name: str) -> int:
    """Return the number of a part's layer, 0 for what uses nothing."""
    return next(number for number, layer in enumerate(LAYERS) if name in layer.split())


def ours(module: str) -> set[str]:
    return {name for name in imports_of(module) if name.startswith("pipeline.")}


def test_every_part_has_its_layer() -> None:
    """Nothing in the package is left out of the order, and nothing in the order is gone."""
    stated = [name for layer in LAYERS for name in layer.split()]
    assert sorted(stated) == sorted({part(module) for module in modules()} - {"__init__"})


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_go_downward_only(module: str) -> None:
    """A module imports from layers below its own, or from its own package."""
    if module == "pipeline":
        assert ours(module) == set()
        return
    upward = {
        name for name in ours(module) if part(name) != part(module) and rank(part(name)) >= rank(part(module))
    }
    assert upward == set()


def test_no_package_imports_itself_in_a_circle() -> None:
    """Within a package, too, modules can be put in an order; a package's face is not used from inside it."""
    inner = {
        module: {name for name in ours(module) if part(name) == part(module)} - {module} for module in modules()
    }
    assert list(TopologicalSorter(inner).static_order())


@pytest.mark.parametrize("module", sorted(modules()))
def test_only_the_display_and_the_command_line_know_a_terminal(module: str) -> None:
    """Rich and typer are imported in progress and cli, and typer in cli alone."""
    used = {name.split(".")[0] for name in imports_of(module)} & TERMINAL
    allowed = {"cli": TERMINAL, "progress": {"rich"}}.get(part(module), set())
    assert used <= allowed


@pytest.mark.parametrize("module", sorted(modules()))
def test_only_one_module_writes_files(module: str) -> None:
    """Opening for writing is the business of ``files``, with few exceptions that are named above."""
    writing = [ast.unparse(call) for call in calls_in(module) if opens_for_writing(call)]
    assert writing == [] or module in MAY_OPEN_FILES


def opens_for_writing(call: ast.Call) -> bool:
    name, words = ast.unparse(call.func), [*call.args, *(keyword.value for keyword in call.keywords)]
    if name == "os.open":
        said = " ".join(map(ast.unparse, words))
        return "O_RDONLY" not in said and "os.devnull" not in said
    if name == "sqlite3.connect" or name.startswith("tempfile."):
        return True
    last = name.rpartition(".")[2]
    if last in {"write_text", "write_bytes", "touch", "symlink_to", "hardlink_to"}:
        return True
    if last != "open":
        return False
    modes = [word.value for word in words if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    return any(set(mode) & set("wax+") for mode in modes if len(mode) <= 3)


@pytest.mark.parametrize("arguments", ["--help", "--version", "check --help", "run --help", "verify --help"])
def test_help_answers_at_once(arguments: str) -> None:
    """Asking for help imports nothing that costs time: no AWS, no cryptography, no event loop, no database."""
    look = (
        "import sys\n"
        f"sys.argv = ['thingmill', *{arguments.split()!r}]\n"
        "from pipeline.cli import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    code = end.code\n"
        "print(code, *sorted({name.split('.')[0] for name in sys.modules}), file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    code, *imported = result.stderr.split()
    assert code == "0"
    assert set(imported) & HEAVY == set()


@pytest.mark.parametrize("module", sorted(modules()))
def test_a_module_says_what_is_public(module: str) -> None:
    """Each name in ``__all__`` exists and no two are the same; a module that others use has one."""
    if module in {"pipeline.__main__", "pipeline.local.launcher"}:
        return
    names = getattr(importlib.import_module(module), "__all__", [])
    assert len(names) == len(set(names))
    assert all(hasattr(importlib.import_module(module), name) for name in names)
