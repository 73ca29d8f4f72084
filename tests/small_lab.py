"""A lab in miniature: six data sets as their owners lay them out, their manifests, paper.toml.

Used by test_paper.py, test_scale.py and test_cluster.py. Everything goes through the documented
commands.
"""

import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import warm
from PIL import Image
from safetensors.torch import load_file

from vjepa_lib.datasets.__main__ import main as build
from vjepa_lib.datasets.imagenet100 import CLASS_LIST, read_class_list
from vjepa_lib.paper import load_settings, training_run
from vjepa_lib.video import write_video

TRAIN_CLIPS, HELD_OUT = 6, 4  # clips of every data set, two classes in turn

ROOT = Path(__file__).resolve().parent.parent
TRAIN = ["-m", "vjepa_lib.paper", "train", "--variant", "ucf_baseline", "--seed", "3", "--config"]
PATIENCE = 120  # seconds; a test takes a tenth of it on a free core

SETTINGS = """\
device = "cpu"
workers = 0
checkpoint_every = 2
runs = "runs"
variants = ["ucf_baseline", "fwm_hw_ld"]
seeds = [3]

[pretraining]
ucf101 = "ucf101.csv"
ssv2 = "ssv2.csv"
imagenet100 = "imagenet100.csv"

[benchmarks]
diving48 = "diving48.csv"
ssv2 = "ssv2.csv"
imagenet100 = "imagenet100.csv"
ucf101 = "ucf101.csv"
kinetics400 = "kinetics400.csv"
hacs = "hacs.csv"

[model]
height = 32
width_px = 32
frames = 8
patch = 8
width = 24
depth = 2
heads = 2
levels = [1, 2]
init_std = 0.06

[predictor]
width = 24
depth = 1
heads = 2

[terms]
head_hidden = 8
sigreg_directions = 8

[schedule]
steps = 6
batch = 8
warmup = 2
log_every = 1
probe_every = 3
watched = 2
amp = "off"

[probes]
epochs = 30
linear_epochs = 30
heads = 2
"""


def _clip(path, label, seed, frames=16):
    """A tiny video whose class shows in its colour."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 128, (frames, 4, 4, 3), dtype=np.uint8)
    blocks[..., label] += 100
    write_video(path, blocks.repeat(10, 1).repeat(10, 2), fps=8)


def _text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def _numbered():
    """(number, class, is training) of every clip of a set."""
    return [(i, i % 2, i < TRAIN_CLIPS) for i in range(TRAIN_CLIPS + HELD_OUT)]


def _ucf101(at):
    names = ("Archery", "Diving")
    _text(at / "notes/classInd.txt", "1 Archery\n2 Diving\n")
    lists = {True: "", False: ""}
    for i, label, train in _numbered():
        file = f"{names[label]}/v_{names[label]}_g{i:02}_c01.avi"
        lists[train] += f"{file} {label + 1}\n"
        _clip(at / "videos" / file, label, i)
    _text(at / "notes/trainlist01.txt", lists[True])
    _text(at / "notes/testlist01.txt", lists[False])


def _ssv2(at):
    templates = ("Lifting [something]", "Dropping [something]")
    prefix = "something-something-v2-"
    names = {t.replace("[", "").replace("]", ""): str(i) for i, t in enumerate(templates)}
    _text(at / f"notes/{prefix}labels.json", json.dumps(names))
    for part, wanted in (("train", True), ("validation", False)):
        rows = [
            {"id": str(i), "template": templates[k]}
            for i, k, train in _numbered()
            if train == wanted
        ]
        _text(at / f"notes/{prefix}{part}.json", json.dumps(rows))
    for i, label, _ in _numbered():
        _clip(at / f"videos/{i}.webm", label, 100 + i)


def _diving48(at):
    for part, wanted in (("train", True), ("test", False)):
        rows = [
            {"vid_name": f"dive_{i:05}", "label": k, "start_frame": 0, "end_frame": 16}
            for i, k, train in _numbered()
            if train == wanted
        ]
        _text(at / f"notes/Diving48_V2_{part}.json", json.dumps(rows))
    _text(at / "notes/Diving48_vocab.json", json.dumps([["Back", "15som"], ["Forward", "25som"]]))
    for i, label, _ in _numbered():
        _clip(at / f"videos/dive_{i:05}.mp4", label, 200 + i)


def _imagenet100(at):
    identities = [identity for identity, _ in read_class_list(CLASS_LIST)][:2]
    for i, label, train in _numbered():
        path = at / "videos" / ("train" if train else "val") / identities[label] / f"{i}.JPEG"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.full((40, 50, 3), 60 + i, np.uint8)
        pixels[..., label] += 100
        Image.fromarray(pixels).save(path)


def _kinetics400(at):
    names = ("abseiling", "air drumming")
    header = "label,youtube_id,time_start,time_end,split,is_cc\n"
    for part, wanted in (("train", True), ("validate", False)):
        lines = [
            f"{names[k]},kinetics_{i},1,11,{part},0\n"
            for i, k, train in _numbered()
            if train == wanted
        ]
        _text(at / f"notes/{part}.csv", header + "".join(lines))
    for i, label, _ in _numbered():
        _clip(at / f"videos/kinetics_{i}_000001_000011.mp4", label, 300 + i)


def _hacs(at):
    """Two clips of one whole video each, and a negative one, which is left out."""
    names, lines = ("Archery", "Zumba"), "classname,youtube_id,subset,start,end,label\n"
    for i, label, train in _numbered():
        subset = "training" if train else "validation"
        lines += f"{names[label]},hacs_{i},{subset},0.0,2.0,1\n"
        lines += f"{names[label]},hacs_{i},{subset},2.0,4.0,{1 if i else -1}\n"
        _clip(at / f"videos/{names[label]}/v_hacs_{i}.mp4", label, 400 + i, frames=32)
    _text(at / "notes/HACS_clips_v1.1.csv", lines)


_SETS = {
    "ucf101": _ucf101,
    "ssv2": _ssv2,
    "diving48": _diving48,
    "imagenet100": _imagenet100,
    "kinetics400": _kinetics400,
    "hacs": _hacs,
}


def make_lab(folder, sets=tuple(_SETS)):
    """Files, annotations and manifests of some data sets, and the settings; the settings' path."""
    for name in sets:
        at = folder / name
        _SETS[name](at)
        command = [
            "build",
            name,
            "--videos",
            str(at / "videos"),
            "--out",
            str(folder / f"{name}.csv"),
        ]
        if (at / "notes").exists():
            command += ["--annotations", str(at / "notes")]
        assert build(command) == 0
    lines = [
        line
        for line in SETTINGS.splitlines()
        if not line.endswith('.csv"') or line.split(" = ")[0] in sets
    ]
    _text(folder / "paper.toml", "\n".join(lines) + "\n")
    return folder / "paper.toml"


# --- commands ---------------------------------------------------------------------------------


def environment(**more):
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)} | more


def begin(*arguments, program=None, **more):
    return subprocess.Popen(
        [program or warm.python(), *map(str, arguments)],
        cwd=ROOT, env=environment(**more), text=True,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip


def end(process):
    """Wait for a command; one that hangs is asked to stop, so that torchrun ends its workers."""
    try:
        process.stdout_text, process.stderr_text = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.stdout_text, process.stderr_text = process.communicate()
        raise AssertionError(
            f"still running after {PATIENCE} s: {process.stderr_text[-3000:]}"
        ) from None
    return process


def run(*arguments, **more):
    return end(begin(*arguments, **more))


def write_settings(lab, store, **schedule):
    """A copy of a lab's settings with a run store of its own; its path."""
    text = lab.read_text().replace('runs = "runs"', f'runs = "{store}"')
    for key, value in schedule.items():
        line = next((x for x in text.splitlines() if x.startswith(f"{key} = ")), None)
        new = f"{key} = {value}"
        text = text.replace(line, new) if line else text.replace("[schedule]", f"[schedule]\n{new}")
    path = lab.parent / f"{store}.toml"
    path.write_text(text)
    return path


def stored(config):
    """The only finished run of a store."""
    s = load_settings(config)
    finished = [p.parent.name for p in s.store.root.glob("*/config.json")]
    assert finished == [s.store.path(training_run(s, "ucf_baseline", seed=3)).name]
    assert not list((s.store.root / ".partial").glob("[!.]*"))
    return s.store.read(finished[0])


def weights(run):
    return load_file(run.path / "encoder.safetensors")


def same_run(one, two):
    pd.testing.assert_frame_equal(one.curves, two.curves, check_exact=True)
    a, b = weights(one), weights(two)
    assert all(torch.equal(a[k], b[k]) for k in a)


def train_whole(settings):
    """Twelve steps by one process, in one go."""
    config = settings("whole", steps=12)
    done = run(*TRAIN, config)
    assert done.returncode == 0, done.stderr_text
    return stored(config)
