"""The README's code as its reader runs it: taken out of the page, run with an installed package, held to its comments.

    python tests/readme.py [--python INTERPRETER] [--node FOLDER] [--web FOLDER]

INTERPRETER has `strongroom` installed. In FOLDER/node_modules is the package; the program is written into FOLDER.
"""

from __future__ import annotations

import argparse
import base64
import os
import re
import secrets
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).resolve().parent
README = TESTS.parent / "README.md"

# What a line says of itself: `mask(x)  # "sk_t****"`, `const token = ...; // "sr1...."`, `f(); // { text: "a", ... }`.
CLAIM = re.compile(
    r"""^(?P<line>(?:const\ (?P<name>\w+)\ =\ )?(?P<call>[\w(].*?));?\ +(?:\#|//)\ (?P<said>b?"[^"]*"|\{.*\})$""",
    re.MULTILINE | re.VERBOSE,
)

PYTHON_HOLDS = """\
def holds(found, said):
    if found != said:
        raise SystemExit(f"the README says {said!r}, and it is {found!r}")


"""

# Three dots at the end, in the text or among the fields: and so on.
JAVASCRIPT_HOLDS = """\
function holds(found, said) {
  const held =
    typeof said === "object"
      ? Object.entries(said).every(([field, value]) => found[field] === value)
      : said.endsWith("...") ? found.startsWith(said.slice(0, -3)) : found === said;
  if (!held) throw new Error(`the README says ${JSON.stringify(said)}, and it is ${JSON.stringify(found)}`);
}
"""


class BrokenReadmeError(Exception):
    """A program of the README failed; the text has what it printed."""


@dataclass(frozen=True)
class Program:
    """The blocks of one language, one after another, and how many of their lines say what comes of them."""

    text: str
    claims: int


def fences() -> list[str]:
    """The language of every block, in the order of the page."""
    return re.findall(r"^```(.*)$", README.read_text(encoding="utf-8"), re.MULTILINE)[::2]


def source(language: str) -> str:
    """The blocks of a language as they are printed, one after another."""
    page = README.read_text(encoding="utf-8")
    return "".join(re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE))


def program(language: str) -> Program:
    """The same, with every line that says what comes of it made to fail when something else does."""

    def checked(claim: re.Match[str]) -> str:
        said = claim["said"].replace(", ... }", " }")
        before = f"{claim['line']}; " if claim["name"] else ""
        return f"{before}holds({claim['name'] or claim['call']}, {said})"

    text, claims = CLAIM.subn(checked, source(language))
    return Program(text, claims)


def run_python(python: str | Path) -> str:
    """Runs the Python blocks as one program, in a folder of their own; gives what they print."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "readme.py"
        path.write_text(PYTHON_HOLDS + program("python").text, encoding="utf-8")
        return _ran(python, "-W", "error", path, folder=path.parent)


def run_node(folder: Path) -> str:
    """Runs the Node blocks as one module of `folder`, with a database elsewhere; gives what they print."""
    path = folder.resolve() / "readme.mjs"
    path.write_text(program("ts").text + JAVASCRIPT_HOLDS, encoding="utf-8")
    with tempfile.TemporaryDirectory() as database:
        return _ran("node", "--disable-warning=ExperimentalWarning", path, folder=Path(database))


def run_web(folder: Path) -> str:
    """Runs the browser block in headless Chromium, served from `folder`; gives what the page prints."""
    folder = folder.resolve()
    (folder / "readme.js").write_text(program("js").text + JAVASCRIPT_HOLDS, encoding="utf-8")
    return _ran("node", TESTS / "readme_page.mjs", folder, folder=folder)


def _ran(*command: str | Path, folder: Path) -> str:
    environ = {name: value for name, value in os.environ.items() if name not in ("ENCRYPTION_KEY_FILE", "PYTHONPATH")}
    environ["ENCRYPTION_KEY"] = base64.b64encode(secrets.token_bytes(32)).decode()
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise BrokenReadmeError(f"{' '.join(map(str, command))} says:\n{done.stdout}{done.stderr}")
    return done.stdout


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs the code of the README with installed packages.")
    parser.add_argument("--python", metavar="INTERPRETER", help="has strongroom installed")
    parser.add_argument("--node", metavar="FOLDER", type=Path, help="its node_modules hold strongroom")
    parser.add_argument("--web", metavar="FOLDER", type=Path, help="its node_modules hold strongroom-web")
    given = parser.parse_args()
    if given.python is None and given.node is None and given.web is None:
        parser.error("give at least one of --python, --node and --web")
    try:
        if given.python is not None:
            # A path from here: the program runs elsewhere. A name is looked up.
            run_python(Path(given.python).absolute() if os.sep in given.python else given.python)
            print("the README's Python runs")
        if given.node is not None:
            run_node(given.node)
            print("the README's Node runs")
        if given.web is not None:
            run_web(given.web)
            print("the README's page runs")
    except BrokenReadmeError as error:
        raise SystemExit(str(error)) from None


if __name__ == "__main__":
    main()
