"""The run store: content-addressed, atomic, resumable; one machine or a cluster.

A run lives in `runs/<hash>/`, the hash being that of its configuration: `config.json`,
`metrics.csv`, `curves.csv`, `provenance.json`, weights, and `manifest.json` with the sizes and
checksums of them all. It is written under a temporary name and renamed when whole. A folder under
its hash is a finished run if it is as its manifest says and was made by the code of today
(`fingerprint`); else it is trained anew, and replaced when the new run is whole.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from vjepa_lib.errors import RunStoreError
from vjepa_lib.provenance import provenance
from vjepa_lib.study.fingerprint import Code, changed, code_key, code_of
from vjepa_lib.study.integrity import MANIFEST, check_file, damage, write_manifest

LEAST_FREE = 50 * 2**20  # bytes asked for before training starts
FILES = ("config.json", "metrics.csv", "curves.csv", "provenance.json", MANIFEST)


def plain(value: Any) -> Any:
    """A configuration as JSON types."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value


def config_hash(config: Any) -> str:
    """First 16 hexadecimal digits of the SHA-256 of a configuration's canonical JSON."""
    text = json.dumps(plain(config), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Run:
    """A finished run as read back."""

    hash: str
    config: dict
    metrics: pd.DataFrame
    curves: pd.DataFrame
    provenance: dict
    path: Path


class RunStore:
    """Folder of runs.

    Parameters
    ----------
    root : folder, made if missing.
    """

    def __init__(self, root: str | Path = "runs") -> None:
        self.root = Path(root)

    def path(self, config: Any) -> Path:
        return self.root / config_hash(config)

    def has(self, config: Any, code: Code | None = None) -> bool:
        """Whether a run is finished, whole, and made by the code of today.

        Parameters
        ----------
        code : that of today, if it is known already.
        """
        return self.path(config).exists() and not self.trouble(config, code)

    def trouble(self, config: Any, code: Code | None = None) -> str:
        """Why a run that is there is not used, in words; empty if it is, or if none is there."""
        path = self.path(config)
        if not path.exists():
            return ""
        broken = damage(path, FILES)
        if not broken:
            return self._outdated(config, code)
        if broken == f"lacks {MANIFEST}" and all((path / f).exists() for f in FILES[:-1]):
            return "was made before code was fingerprinted"
        return f"is damaged ({broken})"

    def _outdated(self, config: Any, code: Code | None = None) -> str:
        """How a whole run's code differs from that of today, in words; empty if it does not."""
        facts = json.loads((self.path(config) / "provenance.json").read_text())
        if facts["hash"] != config_hash(config):  # a folder that was copied to another's name
            return f"is damaged (it is the run {facts['hash']})"
        then = facts["code"]
        what = changed(then, code_of(config) if code is None else code)
        return f"was made with another version of {what}" if what else ""

    def say_what_is_made_anew(self, configs: Iterable[Any]) -> None:
        """One line about runs that are there and yet trained, by the reason."""
        reasons: dict[str, list[str]] = {}
        for config in configs:
            if why := self.trouble(config):
                names = [str(getattr(config, k, "")) for k in ("variant", "form")]
                name = f"{names[0]} ({names[1]}), seed {getattr(config, 'seed', '?')}"
                reasons.setdefault(why, []).append(name)
        if reasons:
            parts = [
                f"{'; '.join(names[:3])}{f' and {len(names) - 3} more' if names[3:] else ''} {why}"
                for why, names in reasons.items()
            ]
            print(f"trained anew: {' | '.join(parts)}", file=sys.stderr, flush=True)

    def missing(self, configs: Iterable[Any]) -> list[Any]:
        """Configurations without a finished run, each once."""
        unique = {config_hash(c): c for c in configs}
        return [c for c in unique.values() if not self.has(c)]

    def partial(self, config: Any, code: Code | None = None) -> Path:
        """Folder for the checkpoint of an unfinished run; other code has another folder.

        Parameters
        ----------
        code : that the run is made with; None for that of today.
        """
        key = code_key(code_of(config) if code is None else code)
        return self.root / ".partial" / (config_hash(config) + (f"-{key}" if key else ""))

    def load(self, config: Any) -> Run:
        """Read a finished run.

        Raises
        ------
        RunStoreError : the run is not there, or damaged, or made with other code than today's.
        """
        run = self.read(config_hash(config))
        outdated = self._outdated(config)
        if outdated:
            raise RunStoreError(
                f"The run {run.path} {outdated}: ask for its results (study.metrics, make "
                f"reproduce) to train it anew."
            )
        return run

    def read(self, name: str) -> Run:
        """Read a finished run by its hash, whatever code it was made with."""
        path = self.root / name
        if not any((path / f).exists() for f in FILES):
            raise RunStoreError(f"The run folder {path} has no finished run: train it first.")
        broken = damage(path, FILES)
        if broken.startswith("lacks"):
            raise RunStoreError(
                f"The run folder {path} {broken}: train it again (a half-written folder can be "
                f"deleted; other runs are not touched)."
            )
        if broken:
            raise RunStoreError(
                f"The run {path} is damaged ({broken}): delete this folder and train it again."
            )
        try:
            run = Run(
                name,
                json.loads((path / "config.json").read_text()),
                pd.read_csv(path / "metrics.csv"),
                pd.read_csv(path / "curves.csv"),
                json.loads((path / "provenance.json").read_text()),
                path,
            )
            if run.provenance["hash"] != name:
                raise ValueError(f"it is the run {run.provenance['hash']}")
        except (ValueError, OSError, TypeError, KeyError) as error:
            raise RunStoreError(
                f"The run {path} cannot be read ({error}): delete this folder and train it again."
            ) from error
        return run

    def weights(self, config: Any, name: str) -> dict[str, Tensor]:
        """Tensors that a finished run keeps in a file.

        Raises
        ------
        RunStoreError : as `load`, or the file is gone or damaged.
        """
        run = self.load(config)
        try:
            return load_file(check_file(run.path, name))
        except (RunStoreError, SafetensorError, OSError) as error:
            raise RunStoreError(
                f"The run {run.path} is damaged ({error}): delete this folder and train it again."
            ) from error

    def check_writable(self) -> None:
        """Fail before training rather than after it.

        Raises
        ------
        RunStoreError : read-only folder, or too little space.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            trial = self.root / f".write-test-{os.getpid()}"
            trial.write_text("x")
            trial.unlink()
            free = shutil.disk_usage(self.root).free
        except OSError as error:
            raise RunStoreError(
                f"The runs folder {self.root} cannot be written ({error.strerror or error}): make "
                f"it writable or choose another with VJEPA_RUNS; finished runs stay usable."
            ) from error
        if free < LEAST_FREE:
            raise RunStoreError(
                f"The disk of {self.root} has {free // 2**20} MiB left and a run asks for "
                f"{LEAST_FREE // 2**20}: free some space; finished runs stay usable."
            )

    def save(
        self,
        config: Any,
        metrics: pd.DataFrame,
        curves: pd.DataFrame,
        seconds: float,
        code: Code | None = None,
    ) -> Path:
        """Store a finished run atomically; one that is there under its hash gives way to it.

        Parameters
        ----------
        code : that the run was made with; None for that of today.

        Raises
        ------
        RunStoreError : the folder cannot be written.
        """
        code = code_of(config) if code is None else code
        final, partial = self.path(config), self.partial(config, code)
        part = self.root / f".{final.name}.{os.getpid()}.part"
        old = part.with_suffix(".old")
        try:
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir(parents=True)
            (part / "config.json").write_text(json.dumps(plain(config), indent=1, sort_keys=True))
            metrics.to_csv(part / "metrics.csv", index=False)
            curves.to_csv(part / "curves.csv", index=False)
            # What training left for keeps, such as the encoder.
            for kept in sorted(partial.glob("*.safetensors")):
                shutil.copy2(kept, part)
            facts = provenance() | {"seconds": round(seconds, 1), "hash": final.name, "code": code}
            (part / "provenance.json").write_text(json.dumps(facts, indent=1))
            write_manifest(part)
            if final.exists():
                shutil.rmtree(old, ignore_errors=True)
                final.rename(old)
            part.rename(final)
        except OSError as error:
            if old.exists() and not final.exists():
                old.rename(final)
            shutil.rmtree(part, ignore_errors=True)
            raise RunStoreError(
                f"The run could not be stored in {self.root} ({error.strerror or error}): free "
                f"some space or make the folder writable; finished runs stay usable."
            ) from error
        shutil.rmtree(old, ignore_errors=True)
        for left in self._partials(final.name):
            shutil.rmtree(left, ignore_errors=True)
        return final

    def _partials(self, name: str) -> list[Path]:
        """Checkpoint folders of a run, whatever code they were made with."""
        return [p for p in (self.root / ".partial").glob(f"{name}*") if p.name[16:17] in ("", "-")]

    def tidy(self) -> None:
        """Clear what killed processes left: half-stored runs, checkpoints of finished ones.

        Who stores a run holds its lock, so nothing is touched that somebody still works on. A run
        that was whole but for its last renaming gets its name.
        """
        left = [p for p in self.root.glob(".*") if p.suffix in (".part", ".old") and p.is_dir()]
        for path in [*left, *(self.root / ".partial").glob("*")]:
            name = path.name.lstrip(".").split(".")[0].split("-")[0]
            try:
                (self.root / ".locks").mkdir(exist_ok=True)
                with FileLock(self.root / ".locks" / name, timeout=0):
                    self._clear(path, self.root / name)
            except (Timeout, OSError):
                continue

    def _clear(self, path: Path, final: Path) -> None:
        """Clear one left-over of a run whose lock is held."""
        if path.parent != self.root:  # a checkpoint: of no use once its run is stored
            if damage(final, FILES):
                return
            made = json.loads((final / "provenance.json").read_text()).get("code", {})
            if path.name not in (final.name, f"{final.name}-{code_key(made)}"):
                return
        elif not final.exists() and not damage(path, FILES):
            path.rename(final)
            return
        shutil.rmtree(path, ignore_errors=True)

    def frame(self, configs: Iterable[Any]) -> pd.DataFrame:
        """Metrics of finished runs, a row per run, benchmark and probe, with labels of the run."""
        parts = []
        for config in configs:
            run = self.load(config)
            label = {
                k: run.config[k] for k in ("variant", "form", "regime", "seed") if k in run.config
            }
            parts.append(
                run.metrics.assign(
                    **label,
                    run=run.hash,
                    commit=run.provenance["commit"],
                    profile=run.config.get("profile"),
                    code="today",
                )
            )
        return pd.concat(parts, ignore_index=True)
