"""Check that every file of a manifest is there, whole, long enough and in one split only."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from joblib import Parallel, delayed
from tqdm.auto import tqdm

from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.video.clip_reader import worker_count
from vjepa_lib.video.decode import TruncatedError, check_video, is_image, probe_video
from vjepa_lib.video.manifests import Manifest, checksum
from vjepa_lib.video.sampling import span_in_frames

STATUSES = ("ok", "missing", "unreadable", "truncated", "outside", "too short")
DEPTHS = ("header", "full")
# A header's duration and the frames really there differ by a few frames in good files.
_TRUNCATED_BELOW = 0.9


@dataclass(frozen=True)
class HealthReport:
    """What `health` found.

    Attributes
    ----------
    table : DataFrame
        One row a manifest row: `path`, `split`, `status`, `reason`, `frames`, `fps`, `height`,
        `width`, `checksum`.
    duplicates : DataFrame
        Contents that occur in more than one split: `checksum`, `splits`, `paths`.
    manifest : Manifest
        The manifest examined.
    """

    table: pd.DataFrame
    duplicates: pd.DataFrame
    manifest: Manifest

    @property
    def counts(self) -> dict[str, int]:
        """Rows per status."""
        found = self.table["status"].value_counts()
        return {status: int(found.get(status, 0)) for status in STATUSES}

    @property
    def ok(self) -> bool:
        """Every row is usable and no content is in two splits."""
        return bool((self.table["status"] == "ok").all()) and self.duplicates.empty

    def summary(self) -> str:
        """The result in a few lines."""
        lines = [f"{len(self.table):,} clips of {self.manifest.source}"]
        lines += [f"  {status:<11}{count:>10,}" for status, count in self.counts.items()]
        lines.append(f"  {'in 2 splits':<11}{len(self.duplicates):>10,}")
        broken = self.table[self.table["reason"] != ""]
        lines += [f"  {row.status}: {row.reason}" for row in broken.head(10).itertuples()]
        if len(broken) > 10:
            lines.append(f"  ... and {len(broken) - 10:,} more (write them with --report)")
        for row in self.duplicates.head(10).itertuples():
            lines.append(f"  same content in {row.splits}: {row.paths}")
        return "\n".join(lines)

    def usable(self) -> Manifest:
        """The rows that are ok, with frame count, frame rate and checksum filled in."""
        good = (self.table["status"] == "ok").to_numpy()
        if not good.any():
            raise DataError(f"No clip of {self.manifest.source} is usable; see the health report.")
        kept = self.manifest.select(good)
        table = kept.table.copy()
        seen = self.table[good].reset_index(drop=True)
        table["frame_count"] = seen["frames"].astype("Int64")
        table["fps"] = seen["fps"].astype("float64")
        if seen["checksum"].notna().any():
            table["checksum"] = seen["checksum"]
        return replace(kept, table=table)


def _examine(path: str, depth: str, checksums: bool) -> dict[str, Any]:
    """Facts about one file, as JSON."""
    facts: dict[str, Any] = {"path": path, "depth": depth, "with_checksum": checksums}
    file = Path(path)
    if not os.path.isfile(file):
        return {**facts, "status": "missing", "reason": f"{path[:300]} does not exist."}
    stat = file.stat()
    facts |= {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns}
    try:
        info = probe_video(file) if depth == "header" else check_video(file)
        facts |= {"frames": info.frames, "fps": info.fps}
        facts |= {"height": info.height, "width": info.width}
        if checksums:
            facts["checksum"] = checksum(file)
    except TruncatedError as error:
        return {**facts, "status": "truncated", "reason": str(error)}
    except DataError as error:
        return {**facts, "status": "unreadable", "reason": str(error)}
    # Where the structure shows the end, fewer frames than the duration has are pauses, not losses.
    if info.whole:
        return {**facts, "status": "ok", "reason": ""}
    if info.duration and info.fps and info.frames < _TRUNCATED_BELOW * info.duration * info.fps:
        reason = (
            f"{path} ends after {info.frames / info.fps:.2f} s of the {info.duration:.2f} s"
            " that its header announces."
        )
        return {**facts, "status": "truncated", "reason": reason}
    return {**facts, "status": "ok", "reason": ""}


def _examine_many(paths: Sequence[str], depth: str, checksums: bool) -> list[dict[str, Any]]:
    return [_examine(path, depth, checksums) for path in paths]


def _read_state(path: Path, depth: str, checksums: bool) -> dict[str, dict[str, Any]]:
    """Earlier findings that still hold: same size and time, examined at least as deeply."""
    known: dict[str, dict[str, Any]] = {}
    if not path.is_file():
        return known
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            facts = json.loads(line)
            if DEPTHS.index(facts["depth"]) < DEPTHS.index(depth):
                continue
            if (checksums and not facts["with_checksum"]) or facts["status"] == "missing":
                continue
            stat = os.stat(facts["path"])
            if (stat.st_size, stat.st_mtime_ns) != (facts["size"], facts["mtime_ns"]):
                continue
            if facts["status"] == "ok" and facts["frames"] < 1:
                continue
        # The line being written when the last run was stopped, or of another program's file.
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            continue
        known[facts["path"]] = facts
    return known


def health(
    manifest: Manifest,
    min_frames: int = 1,
    depth: str = "full",
    checksums: bool = True,
    workers: int | None = None,
    state: str | Path | None = None,
    progress: bool = True,
) -> HealthReport:
    """Examine every file of a manifest, in parallel.

    Parameters
    ----------
    manifest : Manifest
    min_frames : int
        Videos, or stretches of them, with fewer frames are `too short`.
    depth : {'header', 'full'}
        Read headers and count packets, or decode every frame too.
    checksums : bool
        Read every byte for a SHA-256, with which contents in two splits are found.
    workers : int or None
        Processes; None uses the cores this process may use.
    state : str, Path or None
        JSON-lines file of findings: an interrupted check goes on where it stopped, and unchanged
        files are not examined again.
    progress : bool
        Show a progress bar.

    Returns
    -------
    HealthReport
    """
    if depth not in DEPTHS:
        raise ConfigError(f"Unknown depth {depth!r}; known: {', '.join(DEPTHS)}.")
    paths = [os.path.abspath(path) for path in manifest.paths]
    todo = list(dict.fromkeys(paths))  # a file that holds many clips is examined once
    facts = {} if state is None else _read_state(Path(state), depth, checksums)
    todo = [path for path in todo if path not in facts]
    if todo:
        facts |= _run(todo, depth, checksums, workers, state, progress)
    table = _table(manifest, paths, facts, min_frames)
    return HealthReport(table, _across_splits(table), manifest)


def _run(
    todo: list[str],
    depth: str,
    checksums: bool,
    workers: int | None,
    state: str | Path | None,
    progress: bool,
) -> dict[str, dict[str, Any]]:
    processes = worker_count(workers, len(todo))
    chunk = max(1, min(64, math.ceil(len(todo) / (processes * 4))))
    call = delayed(_examine_many)
    tasks = (call(todo[at : at + chunk], depth, checksums) for at in range(0, len(todo), chunk))
    results = Parallel(n_jobs=processes, return_as="generator_unordered")(tasks)
    facts: dict[str, dict[str, Any]] = {}
    log = None
    if state is not None:
        Path(state).parent.mkdir(parents=True, exist_ok=True)
        log = open(state, "a", encoding="utf-8")  # noqa: SIM115 - closed below
    try:
        with tqdm(total=len(todo), desc="health", unit="file", disable=not progress) as bar:
            for part in results:
                facts |= {found["path"]: found for found in part}
                bar.update(len(part))
                if log is not None:
                    log.writelines(json.dumps(found) + "\n" for found in part)
                    log.flush()
    finally:
        if log is not None:
            log.close()
    return facts


def _table(
    manifest: Manifest, paths: list[str], facts: dict[str, dict[str, Any]], min_frames: int
) -> pd.DataFrame:
    rows = []
    columns = manifest.table
    none = [None] * len(paths)
    starts = columns["start"].tolist() if "start" in columns else none
    ends = columns["end"].tolist() if "end" in columns else none
    for path, split, start, end in zip(paths, columns["split"], starts, ends, strict=True):
        found = facts[path]
        status, reason = found["status"], found["reason"]
        if status == "ok" and not is_image(path):
            status, reason = _stretch(path, found, start, end, min_frames)
        rows.append(
            {
                "path": path,
                "split": split,
                "status": status,
                "reason": reason,
                **{key: found.get(key) for key in ("frames", "fps", "height", "width", "checksum")},
            }
        )
    table = pd.DataFrame(rows)
    for name in ("frames", "height", "width"):
        table[name] = table[name].astype("Int64")
    table["fps"] = table["fps"].astype("float64")
    table["checksum"] = table["checksum"].astype("str")
    return table


def _stretch(
    path: str, found: dict[str, Any], start: float | None, end: float | None, min_frames: int
) -> tuple[str, str]:
    """Status and reason of the stretch of a readable video that a row names."""
    frames, fps = found["frames"], found["fps"]
    _, length = span_in_frames(frames, fps, start, end)
    seconds = frames / fps if fps else math.inf
    if length == 0 and start is not None and start >= seconds:
        return "outside", (
            f"{path}: the clip begins at {start:.2f} s, behind the end of the video"
            f" ({seconds:.2f} s); correct start and end."
        )
    if length < max(min_frames, 1):
        return "too short", f"{path} has {length} frames where {max(min_frames, 1)} are needed."
    over = end - seconds if end is not None else 0.0
    if over > 1.5 / max(fps, 1e-9):  # times are rounded to frames
        return "ok", (
            f"{path}: the clip ends at {end:.2f} s, {over:.2f} s behind the end of the video"
            f" ({seconds:.2f} s), and is shorter than it says."
        )
    return "ok", ""


def _across_splits(table: pd.DataFrame) -> pd.DataFrame:
    found = []
    known = table[table["checksum"].notna()]
    for content, rows in known.groupby("checksum", sort=True):
        splits = sorted(rows["split"].unique())
        if len(splits) > 1:
            found.append(
                {
                    "checksum": content,
                    "splits": ", ".join(splits),
                    "paths": "; ".join(dict.fromkeys(rows["path"])),
                }
            )
    return pd.DataFrame(found, columns=["checksum", "splits", "paths"])
