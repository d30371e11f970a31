"""Check the shape of the code: short files, class names that stand once, and no circle of imports.

    .venv/bin/python scripts/check_rooms.py

Prints each fault with its place, and exits with 1 where there is one. An exception is listed here with its reason.
"""

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

SOURCE = Path(__file__).resolve().parent.parent / "src"
MAX_LINES = 400
LONGER: Mapping[str, str] = {
    "tifo/store/migrations/versions/r0001.py": "one revision of the whole first schema, written by scripts/revision.py",
}


def main() -> int:
    trees = {file: ast.parse(file.read_text()) for file in sorted(SOURCE.rglob("*.py"))}
    faults = [*long_files(trees), *doubled_classes(trees), *circles(trees)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


def long_files(trees: Mapping[Path, ast.Module]) -> Iterator[str]:
    for file in trees:
        lines = len(file.read_text().splitlines())
        if lines > MAX_LINES and _name(file) not in LONGER:
            yield f"{_name(file)} has {lines} lines; a file has at most {MAX_LINES}. Split it by concept."
    for name in LONGER:
        if not (SOURCE / name).is_file() or len((SOURCE / name).read_text().splitlines()) <= MAX_LINES:
            yield f"{name} is listed as longer than {MAX_LINES} lines, and is not. Take it off the list."


def doubled_classes(trees: Mapping[Path, ast.Module]) -> Iterator[str]:
    places = defaultdict(list)
    for file, tree in trees.items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(_name(file))
    for name, files in sorted(places.items()):
        if len(files) > 1:
            yield f"The public class {name} stands in {', '.join(files)}. A class name means one thing in the tree."


def circles(trees: Mapping[Path, ast.Module]) -> Iterator[str]:
    """Finds modules that import one another, imports inside functions included; those for types alone do not count."""
    modules = {_module(file): file for file in trees}
    imports = {name: _imports(trees[file], modules, name) for name, file in modules.items()}
    for circle in _strongly_connected(imports):
        if len(circle) > 1:
            yield f"These modules import one another: {', '.join(sorted(circle))}."


def _imports(tree: ast.Module, modules: Mapping[str, Path], own: str) -> set[str]:
    found: set[str] = set()
    for node in _runtime_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
            # `from package import module` needs the package's own names only where it asks for one.
            if any(f"{node.module}.{alias.name}" not in modules for alias in node.names):
                found.add(node.module)
    return {name for name in found if name in modules and name != own}


def _runtime_nodes(tree: ast.AST) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for other in node.orelse:
                yield from (other, *_runtime_nodes(other))
        else:
            yield from (node, *_runtime_nodes(node))


def _strongly_connected(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Tarjan's algorithm."""
    index: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[set[str]] = []

    def visit(name: str) -> None:
        index[name] = lowest[name] = len(index)
        stack.append(name)
        for other in graph[name]:
            if other not in index:
                visit(other)
                lowest[name] = min(lowest[name], lowest[other])
            elif other in stack:
                lowest[name] = min(lowest[name], index[other])
        if lowest[name] == index[name]:
            component: set[str] = set()
            while name not in component:
                component.add(stack.pop())
            found.append(component)

    for name in graph:
        if name not in index:
            visit(name)
    return found


def _name(file: Path) -> str:
    return file.relative_to(SOURCE).as_posix()


def _module(file: Path) -> str:
    parts = file.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


if __name__ == "__main__":
    sys.exit(main())
