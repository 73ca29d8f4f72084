"""What an executed notebook found: the lines its last cells printed, kept for the report page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from vjepa_lib.show.gallery import write_text

SUFFIX = ".findings.txt"
_HEADING = "what we found"
_LONGEST = 400  # letters of a sentence on the page


def printed(notebook: Mapping) -> list[str]:
    """Lines printed under a notebook's heading 'What we found'; empty without one.

    Parameters
    ----------
    notebook : as nbformat reads it, executed.
    """
    below, lines = False, []
    for cell in notebook["cells"]:
        if cell["cell_type"] == "markdown":
            found = re.search(r"^#+ (.*)$", cell["source"], re.M)
            below = _HEADING in found[1].lower() if found else below
        elif below and cell["cell_type"] == "code":
            for output in cell.get("outputs", ()):
                if output.get("name") == "stdout":
                    lines += "".join(output["text"]).splitlines()
    return [line.rstrip() for line in lines if line.strip()]


def keep(notebook: Mapping, stem: str, folder: Path) -> None:
    """Write what a notebook found beside its page.

    Raises
    ------
    DataError : the file cannot be written.
    """
    write_text(folder / f"{stem}{SUFFIX}", "\n".join(printed(notebook)) + "\n")


def kept(stem: str, folder: Path) -> list[str]:
    """The lines of `keep`; empty where there are none that can be read."""
    try:
        text = (folder / f"{stem}{SUFFIX}").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return []
    return [line for line in text.splitlines() if line.strip()]


def sentence(lines: list[str]) -> str:
    """The finding in one sentence: of recorded runs where some are, they have more seeds.

    Lines may stand in groups under a line such as 'small, recorded runs:', which then begins the
    sentence.
    """
    groups: list[tuple[str, list[str]]] = [("", [])]
    for line in lines:
        if line.endswith(":") and not line.startswith(" "):
            groups.append((line, []))
        else:
            groups[-1][1].append(line.strip())
    filled = [g for g in groups if g[1]]
    if not filled:
        return ""
    heading, own = next((g for g in filled if "recorded" in g[0]), filled[0])
    if not heading:
        own = [x for x in own if ", recorded" in x] or own
    said = re.split(r"(?<=[.;]) (?=[A-Z])", own[0])[0]
    said = f"{heading} {said}".strip()
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST].rsplit(' ', 1)[0]} …"
