"""Where figures and tables are kept: files, the data behind them, and where they came from."""

from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image
from tabulate import tabulate

from vjepa_lib.errors import ConfigError, DataError, shown
from vjepa_lib.provenance import commit
from vjepa_lib.show.look import style
from vjepa_lib.show.tables import _flat, format_table

DPI = 200
READING_DPI = 110  # of pictures that are committed inside notebooks
INDEX = "index.json"
RECORDED = "data_manifests/recorded"
# Of a notebook: nothing that a file system or a link reads as a path.
NOTEBOOK = re.compile(r"[A-Za-z0-9][A-Za-z0-9_ .-]{0,99}")
_TEXTS = ("name", "kind", "caption", "notebook", "profile", "commit")
_LISTS = ("shown", "runs", "sources", "files")


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", newline="\n")
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink()
        raise DataError(
            f"{path} cannot be written ({error.strerror}): choose another OUT folder or free space."
        ) from None


def write_picture(fig: Figure, path: Path, **how) -> None:
    """Write a picture whole or not at all."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        fig.savefig(part, format=path.suffix[1:], **how)
        os.replace(part, path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be written ({error.strerror or error}): choose another OUT folder or "
            f"free space."
        ) from None
    finally:
        part.unlink(missing_ok=True)


def read_index(out: str | Path) -> list[dict]:
    """Every artefact of a folder, by name; gathered from the JSON files beside the artefacts.

    So notebooks that run side by side cannot lose each other's entries.

    Returns
    -------
    list of dicts: name, kind ('figure' or 'table'), caption, notebook, profile, runs, commit,
    sources, shown, code (of the recorded runs shown), files.

    Raises
    ------
    DataError : a JSON file there is broken.
    """
    found = []
    for path in sorted(Path(out).glob("*.json")):
        if path.name == INDEX:
            continue
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            _check_entry(entry, path.stem)
            complete = all((path.parent / f).exists() for f in entry["files"])
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise DataError(f"{path} is not the description of an artefact: delete it.") from None
        if complete:  # else its files were cleaned away
            found.append(entry)
    return found


def _check_entry(entry: dict, stem: str) -> None:
    """Fail on a description that `Gallery` did not write: it may name files of other folders.

    Raises
    ------
    ValueError, TypeError, KeyError, AttributeError : `read_index` makes a sentence of them.
    """
    texts = [entry[k] for k in _TEXTS] + [v for k in _LISTS for v in entry[k]]
    for text in (*texts, *(w for pair in entry.get("code", {}).items() for w in pair)):
        if not isinstance(text, str):
            raise TypeError(text)
        text.encode()  # half a character cannot be written again
    if not all(isinstance(entry[k], list) for k in _LISTS):
        raise TypeError(entry)
    own = re.compile(re.escape(stem) + r"\.[a-z]+")
    if stem + {"figure": ".png", "table": ".csv"}[entry["kind"]] not in entry["files"]:
        raise ValueError(entry)
    if entry["name"] != stem or not all(own.fullmatch(f) for f in entry["files"]):
        raise ValueError(entry)


def write_index(out: str | Path) -> Path:
    """Write `index.json`: the list of `read_index`."""
    path = Path(out) / INDEX
    write_text(path, json.dumps(read_index(out), indent=1, ensure_ascii=False) + "\n")
    return path


def _in_notebook() -> bool:
    """Whether a notebook is running."""
    try:
        from IPython import get_ipython
    except ImportError:  # the library itself does not need IPython
        return False
    return get_ipython() is not None


def show_text(text: str) -> None:
    """Show Markdown if a notebook is running, else do nothing."""
    if text and _in_notebook():
        from IPython.display import Markdown, display

        display(Markdown(text))


def _show_picture(png: bytes, width: int, alt: str, numbers: str) -> None:
    """Show a picture if a notebook is running; who shows no pictures gets its numbers instead."""
    if _in_notebook():
        from IPython.display import display

        bundle = {"image/png": base64.b64encode(png).decode(), "text/plain": numbers}
        display(bundle, raw=True, metadata={"image/png": {"width": width, "alt": alt}})


def _reading_picture(fig: Figure) -> bytes:
    """A figure as PNG for a committed notebook: opaque, and so a tenth smaller."""
    png, opaque = io.BytesIO(), io.BytesIO()
    with style():
        fig.savefig(png, format="png", dpi=READING_DPI, metadata={"Software": None})
    Image.open(png).convert("RGB").save(opaque, "PNG", optimize=True)
    return opaque.getvalue()


def numbers_of(data: pd.DataFrame, digits: int = 4, rows: int = 60) -> str:
    """The numbers behind a picture as text, so that a changed one shows.

    Parameters
    ----------
    digits : significant ones that are written.
    rows : a longer table is summed up: number, mean, least and largest of every column.
    """
    table = _flat(data)
    if len(table) > rows:
        about = table.describe().loc[["count", "mean", "min", "max"]].T
        about["count"] = about["count"].astype(int)
        table = about.rename_axis("of").reset_index()
    text = {
        c: [f"{v:.{digits}g}" if isinstance(v, float) else str(v) for v in table[c]]
        for c in table.columns
    }
    return tabulate(text, headers="keys", tablefmt="plain", disable_numparse=True)


def _shown(data: pd.DataFrame) -> list[str]:
    """Which runs data come from, by column `source`: ['mini, live', 'small, recorded']."""
    values = dict.fromkeys(map(str, data["source"])) if "source" in data else {}
    return [v for v in values if v.endswith((", live", ", recorded"))]


def _recorded_by(marks: Sequence[str]) -> dict[str, str]:
    """Which code made the recorded runs among some: 'today', or the commits if it has changed."""
    old = [v for v in marks if v.endswith("recorded")]
    if not old:
        return {}
    from vjepa_lib.study import recorded  # needs torch, which a figure of facts does not

    return {v: recorded.made_by_whom(v.split(",")[0]) for v in old}


def _legend(caption: str, marks: Sequence[str]) -> str:
    return f"*{caption}*" + (f" **Runs: {'; '.join(marks)}.**" if marks else "")


@dataclass(frozen=True)
class Gallery:
    """Where one notebook keeps its figures and tables.

    Attributes
    ----------
    out : folder, made if missing.
    notebook : name without suffix, e.g. '01_published_results'; what stands before its first
        underscore becomes the first part of every file name, so it cannot be a path.
    profile : profile of the runs shown, if any.
    commit : None for that of this checkout.
    keep : whether files are written; a notebook that reads only shows.

    Raises
    ------
    ConfigError : the notebook's name could not begin the name of a file.
    """

    out: str | Path
    notebook: str
    profile: str = ""
    commit: str | None = None
    keep: bool = True

    def __post_init__(self) -> None:
        if not NOTEBOOK.fullmatch(self.notebook):
            raise ConfigError(
                f"Notebook name {shown(self.notebook)}: use letters, digits, '_', '-', '.' and "
                "spaces only, at most 100, and begin with a letter or digit."
            )

    @property
    def folder(self) -> Path:
        return Path(self.out)

    def _path(self, name: str) -> Path:
        if not re.fullmatch(r"[a-z0-9_]+", name):
            raise ConfigError(
                f"Artefact name {name!r}: use small letters, digits and underscores only."
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise DataError(
                f"The folder {self.folder} cannot be made ({error.strerror}): choose another."
            ) from None
        return self.folder / f"{self.notebook.split('_')[0]}_{name}"

    def _describe(
        self,
        path: Path,
        kind: str,
        caption: str,
        runs: Iterable[str],
        sources: Sequence[str],
        marks: Sequence[str],
        suffixes: Sequence[str],
    ) -> None:
        entry = {
            "name": path.name,
            "kind": kind,
            "caption": caption,
            "notebook": self.notebook,
            "profile": self.profile,
            "shown": list(marks),
            "code": _recorded_by(marks),
            "runs": sorted(set(runs)),
            "sources": [*sources, *(RECORDED for v in marks if v.endswith("recorded"))],
            "commit": self.commit or commit(),
            "files": [path.name + s for s in suffixes],
        }
        write_text(path.with_name(path.name + ".json"), json.dumps(entry, indent=1) + "\n")
        write_index(self.folder)

    def figure(
        self,
        fig: Figure,
        name: str,
        data: pd.DataFrame,
        caption: str,
        runs: Iterable[str] = (),
        sources: Sequence[str] = (),
        digits: int = 4,
    ) -> None:
        """Save a figure as PNG and SVG, the data behind it as CSV, and show it in a notebook.

        Parameters
        ----------
        data : the numbers drawn, one row a mark.
        caption : what is seen, one or two sentences.
        runs : identifiers of the runs the data come from.
        sources : other sources, e.g. 'arXiv 2605.17165'.
        digits : significant ones of the numbers that go with the picture (`numbers_of`).

        Data with a column `source` ('mini, live', 'small, recorded') are marked by it.
        """
        numbers, legend = numbers_of(data, digits), _legend(caption, _shown(data))
        width = int(fig.get_size_inches()[0] * 110)
        if not self.keep:
            _show_picture(_reading_picture(fig), width, caption, numbers)
            show_text(legend)
            return
        path = self._path(name)
        with style():  # some settings are read only when drawing
            svg, png = (path.with_name(path.name + s) for s in (".svg", ".png"))
            write_picture(fig, png, dpi=DPI, metadata={"Software": None})
            fig.set_layout_engine("none")  # its layout stays, and need not be found again
            write_picture(fig, svg, metadata={"Date": None, "Creator": None})
        write_text(
            path.with_name(path.name + ".csv"),
            _flat(data).to_csv(index=False, float_format="%.8g", lineterminator="\n"),
        )
        suffixes = (".png", ".svg", ".csv")
        self._describe(path, "figure", caption, runs, sources, _shown(data), suffixes)
        _show_picture(png.read_bytes(), width, caption, numbers)
        show_text(legend)

    def table(
        self,
        table: pd.DataFrame,
        name: str,
        caption: str,
        runs: Iterable[str] = (),
        sources: Sequence[str] = (),
        digits: int | Mapping[str, int] = 2,
    ) -> None:
        """Save a table as CSV (full precision), Markdown and LaTeX, and show it in a notebook.

        Parameters are those of `figure`; `digits` is that of `format_table`.
        """
        markdown = format_table(table, digits)
        shown = f"{markdown}\n\n{_legend(caption, _shown(table))}"
        if not self.keep:
            show_text(shown)
            return
        path = self._path(name)
        texts = {
            ".csv": _flat(table).to_csv(index=False, float_format="%.8g", lineterminator="\n"),
            ".md": markdown + "\n",
            ".tex": format_table(table, digits, "latex") + "\n",
        }
        for suffix, text in texts.items():
            write_text(path.with_name(path.name + suffix), text)
        self._describe(path, "table", caption, runs, sources, _shown(table), list(texts))
        show_text(shown)
