"""The committed notebooks: executed in reading mode, with outputs that do not change by themselves.

`python -m vjepa_lib.show.executed` (`make notebooks`) runs every notebook from its `.py`, which is
the source, and writes the `.ipynb` beside it. What is volatile is taken out (`normalise`), so that
doing it twice changes no byte. Of a notebook that fails nothing is written.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat

from vjepa_lib.errors import CompanionError, ConfigError
from vjepa_lib.provenance import ROOT
from vjepa_lib.settings import measuring

NOTEBOOKS = ROOT / "notebooks"
LARGEST, TOGETHER = 1_500_000, 15_000_000  # bytes of one notebook, and of all
PATIENCE = 900  # seconds a cell may take; it takes seconds where nothing else runs
# What would make a notebook train, or read other runs than the recorded ones.
SETTINGS = ("VJEPA_PROFILE", "VJEPA_SEEDS", "VJEPA_JOBS", "VJEPA_DEVICE")
_WIDGET = "application/vnd.jupyter.widget-view+json"
# A progress bar: anything with a percentage, a bar, and a rate behind it.
_PROGRESS = re.compile(r"^.*\d+%\|.*\|.*$|^.*\d+it \[.*\]$", re.M)
_ADDRESS = re.compile(r"\b0x[0-9a-f]{6,}\b")


def sources(only: str | None = None) -> list[Path]:
    """The `.py` of every notebook, or of one, by number or name.

    Raises
    ------
    ConfigError : there is none of this number or name.
    """
    found = sorted(NOTEBOOKS.glob("[0-9][0-9]_*.py"))
    chosen = [p for p in found if only in (None, "", p.name[:2], p.stem)]
    if not chosen:
        names = ", ".join(p.stem for p in found)
        raise ConfigError(f"No notebook {only!r}: choose a number of {names}.")
    return chosen


def in_step(source: Path) -> bool:
    """Whether a notebook's `.py` and `.ipynb` hold the same cells."""
    import jupytext

    book = source.with_suffix(".ipynb")
    if not book.exists():
        return False
    ours, theirs = jupytext.read(source).cells, nbformat.read(book, as_version=4).cells
    return [_cell(c) for c in ours] == [_cell(c) for c in theirs]


def _cell(cell: nbformat.NotebookNode) -> tuple:
    return cell.cell_type, cell.source, tuple(cell.metadata.get("tags", ()))


@contextmanager
def _reading() -> Iterator[None]:
    """Without settings that would make a notebook train."""
    old = {name: os.environ.pop(name, None) for name in SETTINGS}
    try:
        yield
    finally:
        os.environ.update({k: v for k, v in old.items() if v is not None})


def execute(source: Path) -> tuple[str, float]:
    """Run a notebook in reading mode.

    Parameters
    ----------
    source : its `.py`.

    Returns
    -------
    the `.ipynb` as text, normalised; seconds it took.

    Raises
    ------
    CompanionError : a cell failed, in one sentence, or its outputs could not be committed.
    """
    import jupytext
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError

    book = jupytext.read(source)
    start = time.perf_counter()
    client = NotebookClient(
        book,
        timeout=None if measuring() else PATIENCE,
        kernel_name="python3",
        resources={"metadata": {"path": str(source.parent)}},
        extra_arguments=["--IPKernelApp.log_level=40"],
    )
    try:
        with _reading():
            client.execute()
    except CellExecutionError as error:
        raise CompanionError(f"{source.stem}: {error.ename}: {error.evalue}") from None
    except CellTimeoutError:
        raise CompanionError(
            f"{source.stem}: a cell took longer than {PATIENCE // 60} minutes, where reading takes "
            f"seconds."
        ) from None
    text = nbformat.writes(normalise(book, source.stem), version=4) + "\n"
    if len(text.encode()) > LARGEST:
        raise CompanionError(
            f"{source.stem} would be {len(text.encode()) / 1e6:.2f} MB, and {LARGEST / 1e6} are "
            f"allowed: show smaller pictures or shorter tables."
        )
    return text, time.perf_counter() - start


def normalise(book: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    """Take out of an executed notebook what is not the same the next time.

    Cells get ids by their place; metadata keep tags, kernel and pairing; progress bars and the
    state of widgets go.

    Raises
    ------
    CompanionError : a cell wrote a warning, a path of this machine or an address in memory.
    """
    kept = ("kernelspec", "jupytext")
    book.metadata = nbformat.from_dict({k: book.metadata[k] for k in kept if k in book.metadata})
    book.nbformat, book.nbformat_minor = 4, 5
    for number, cell in enumerate(book.cells):
        cell.id = f"cell-{number:02d}"
        tags = cell.metadata.get("tags", [])
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        if cell.cell_type == "code":
            cell.outputs = _outputs(cell.outputs, f"{name}, cell {number}")
    return book


def _outputs(outputs: list, where: str) -> list:
    """Outputs of a cell: streams joined, progress bars and widgets out, nothing of this machine."""
    kept: list = []
    for output in outputs:
        if output.output_type == "stream":
            lines = (line.rsplit("\r", 1)[-1] for line in output.text.split("\n"))
            output.text = _PROGRESS.sub("", "\n".join(lines))
            if output.name == "stderr":
                if output.text.strip():
                    raise CompanionError(f"{where} warns: {output.text.strip()[:200]}")
                continue
            if kept and kept[-1].output_type == "stream" and kept[-1].name == output.name:
                kept[-1].text += output.text
                continue
        elif "data" in output:
            if _WIDGET in output.data:
                output.data.pop(_WIDGET)
                if set(output.data) <= {"text/plain"}:  # a progress bar drawn as a widget
                    continue
            output.metadata = nbformat.from_dict(
                {k: v for k, v in output.metadata.items() if k in output.data}
            )
        kept.append(output)
    for output in kept:
        for text in _texts(output):
            if str(ROOT) in text or _ADDRESS.search(text):
                raise CompanionError(
                    f"{where} shows a path of this machine or an address in memory: "
                    f"{text.strip()[:200]}"
                )
    return kept


def _texts(output: nbformat.NotebookNode) -> Iterator[str]:
    """Everything readable in an output."""
    if "text" in output:
        yield output.text
    for kind, text in output.get("data", {}).items():
        if kind.startswith("text/") and isinstance(text, str):
            yield text


def _one(source: Path) -> tuple[str, bool, float, str]:
    """Execute a notebook and write it: (name, changed, seconds, sentence if it failed)."""
    book = source.with_suffix(".ipynb")
    try:
        stale = book.exists() and not in_step(source)
        text, seconds = execute(source)
        old = book.read_text(encoding="utf-8") if book.exists() else ""
        if text != old:
            # Here, for it brings torch and matplotlib, which the notebooks load for themselves.
            from vjepa_lib.show.gallery import write_text

            write_text(book, text)
    except CompanionError as error:
        return source.stem, False, 0.0, str(error)
    note = "the .ipynb had other cells and was made anew from the .py" if stale else ""
    if note:
        print(f"{source.stem}: {note}", flush=True)
    return source.stem, text != old, seconds, ""


def main(argv: list[str] | None = None) -> int:
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m vjepa_lib.show.executed", description=__doc__)
    parser.add_argument("--only", help="number or name of one notebook")
    parser.add_argument("--jobs", type=int, default=1, help="notebooks executed side by side")
    args = parser.parse_args(argv)
    from joblib import Parallel, delayed

    start = time.perf_counter()
    try:
        chosen = sources(args.only)
        failed = []
        work = Parallel(n_jobs=args.jobs, return_as="generator")
        for name, changed, seconds, failure in work(delayed(_one)(p) for p in chosen):
            said = failure or f"{seconds:.1f} s, {'written' if changed else 'as it was'}"
            print(f"{name}: {said}", flush=True)
            failed += [name] if failure else []
        if failed:
            raise CompanionError(f"{len(failed)} notebooks failed: {', '.join(failed)}.")
        size = sum(p.with_suffix(".ipynb").stat().st_size for p in sources())
        if size > TOGETHER:
            raise CompanionError(
                f"The notebooks take {size / 1e6:.1f} MB together, and {TOGETHER / 1e6:.0f} are "
                f"allowed: show smaller pictures or shorter tables."
            )
    except CompanionError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{len(chosen)} notebooks in {time.perf_counter() - start:.0f} s, {size / 1e6:.1f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
