"""The packages as they are built in the source tree, for programs that the tests run elsewhere."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def install_node(folder: Path) -> None:
    """Has a folder find the Node package, and the types of Node."""
    modules = folder / "node_modules"
    (modules / "@types").mkdir(parents=True)
    (modules / "strongroom").symlink_to(ROOT / "node")
    for name in ("@types/node", "undici-types"):
        (modules / name).symlink_to(ROOT / "node_modules" / name)
