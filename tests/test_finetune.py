"""Fine-tuning with labels: it learns, every layer at its rate, and goes on to the bit."""

import json
import os
import re
import shlex
import signal
import tomllib
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from vjepa_lib import paper
from vjepa_lib.errors import ConfigError
from vjepa_lib.evaluation import finetune
from vjepa_lib.evaluation.classifier import (
    Classifier,
    FineTune,
    FineTuneSetup,
    parameter_groups,
    schedule_of,
)
from vjepa_lib.evaluation.finetune import LabelledBatches, fine_tune
from vjepa_lib.evaluation.probes import ProbeConfig, linear_probe
from vjepa_lib.export import model_card
from vjepa_lib.model.export import repository_state
from vjepa_lib.model.vit import Encoder, EncoderConfig
from vjepa_lib.paper import load_settings
from vjepa_lib.paper.__main__ import main
from vjepa_lib.study.run_folders import open_run
from vjepa_lib.study.store import config_hash, plain
from vjepa_lib.training import memory
from vjepa_lib.training.sources import StreamedClips
from vjepa_lib.video.augment import Augmentation
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.manifests import read_manifest

CFG = EncoderConfig(
    height=16, width_px=16, frames=2, patch=4, width=24, depth=3, heads=2, levels=(1, 3),
    init_std=0.06,
)  # fmt: skip
SIZES = {"train": 64, "val": 16, "test": 32}


def still(path, label, seed):
    """Two bars of one brightness or of two: no pixel, and no mean, tells which."""
    rng = np.random.default_rng(seed)
    pixels = rng.integers(0, 60, (16, 16, 3)).astype(np.uint8)
    left = rng.integers(2)
    for side, on in ((slice(0, 8), left), (slice(8, 16), left ^ label)):
        pixels[:, side] += np.uint8(120 * on)
    Image.fromarray(pixels).save(path)


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A manifest of stills, which clips repeat over time."""
    folder, rows = tmp_path_factory.mktemp("labelled"), []
    for split, count in SIZES.items():
        for i in range(count):
            still(folder / f"{split}{i}.png", i % 2, [len(split), i])
            rows.append({"path": f"{split}{i}.png", "label": i % 2, "split": split})
    pd.DataFrame(rows).to_csv(folder / "mine.csv", index=False)
    return folder / "mine.csv"


QUICK = FineTune(
    epochs=12, batch=16, lr=5e-3, warmup_epochs=2, layer_decay=0.9, amp="off", log_every=2
)  # fmt: skip
CLIP = ClipSpec(2, (16, 16))
MILD = Augmentation((0.8, 1.0), (0.9, 1.1))


def start(seed=1):
    torch.manual_seed(seed)
    return Encoder(CFG)


@pytest.fixture(scope="module")
def parts(labels):
    manifest = read_manifest(labels)
    return {s: manifest.select((manifest.table["split"] == s).to_numpy()) for s in SIZES}


def setup(**changes):
    return FineTuneSetup(CFG, replace(QUICK, **changes), 2, MILD, seed=0)


def tuned(parts, recipe, **more):
    return fine_tune(recipe, start().state_dict(), parts, CLIP, progress=False, **more)


# --- what it does -------------------------------------------------------------------------------


@pytest.mark.parametrize("head", ["attentive", "mean"])
def test_it_learns_what_the_frozen_start_does_not_hold(labels, parts, head):
    encoder, clips = start(), StreamedClips(read_manifest(labels), CLIP, 0)
    with torch.no_grad():
        frozen = encoder(clips.batch(slice(0, len(clips))), levels=False).mean(1).numpy()
    split = clips.manifest["split"].to_numpy()
    rows = {s: np.flatnonzero(split == s) for s in SIZES}
    probe = ProbeConfig(strengths=(0.01, 0.1, 1.0, 10.0))
    before = linear_probe(frozen, clips.labels.numpy(), rows, probe).mean()
    done = tuned(parts, setup(head=head))
    assert before < 0.8 and {s: r.mean() for s, (_, r) in done.right.items()} == {
        "val": 1.0, "test": 1.0
    }  # fmt: skip
    loss = done.curves.loss.to_numpy()
    assert loss[-1] < 0.1 * loss[0] and done.curves.val_top1.dropna().iloc[-1] == 100
    assert list(done.curves.step[done.curves.val_top1.notna()]) == list(range(3, 48, 4))


def test_nothing_that_is_read_stays_frozen(parts):
    done = tuned(parts, setup(epochs=1, warmup_epochs=0))
    before, after = start().state_dict(), done.model.encoder.state_dict()
    still_there = [k for k in before if torch.equal(before[k], after[k])]
    # The norm of another level and the vector of images take no part in a video's classification.
    assert still_there == ["norms.0.weight", "norms.0.bias", "modality.image"]
    moved = {k.split(".")[1] for k in before if k.startswith("blocks.") and k not in still_there}
    assert moved == {"0", "1", "2"}


def test_every_layer_learns_at_its_own_rate(parts):
    """The first step of Adam moves a weight by the rate, whatever its gradient."""
    recipe = replace(QUICK, layer_decay=0.5, weight_decay=0.0, grad_clip=None)
    model = Classifier(replace(setup(), recipe=recipe), start().state_dict())
    names = {p: n for n, p in model.named_parameters()}
    groups = parameter_groups(model, recipe)
    found = [names[p] for g in groups for p in g["params"]]
    unread = {"encoder.norms.0.weight", "encoder.norms.0.bias", "encoder.modality.image"}
    assert len(found) == len(set(found)) and set(names.values()) - set(found) == unread

    step = finetune._Step(model, recipe, schedule_of(recipe, 4))
    clips = torch.randint(0, 255, (8, 3, 2, 16, 16), dtype=torch.uint8)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    step.take(clips, torch.arange(8) % 2)
    rate = schedule_of(recipe, 4).learning_rate(0)
    for name, layer in (
        ("encoder.patch_embed.weight", 0), ("encoder.modality.video", 0),
        ("encoder.blocks.0.fc1.weight", 1), ("encoder.blocks.1.qkv.weight", 2),
        ("encoder.blocks.2.proj.bias", 3), ("encoder.norms.1.weight", 4), ("head.out.weight", 4),
        ("head.cls", 4),
    ):  # fmt: skip
        p = dict(model.named_parameters())[name]
        moved = float((p.detach() - before[name]).abs().max())
        assert moved == pytest.approx(rate * 0.5 ** (4 - layer), rel=0.02), name


def test_biases_norms_and_learned_tokens_do_not_decay():
    model = Classifier(setup(weight_decay=0.3), start().state_dict())
    names = {p: n for n, p in model.named_parameters()}
    for group in parameter_groups(model, replace(QUICK, weight_decay=0.3)):
        for p in group["params"]:
            spared = p.ndim == 1 or names[p] == "head.cls"
            assert group["weight_decay"] == (0.0 if spared else 0.3), names[p]


def test_the_rate_warms_up_and_falls_by_half_a_cosine():
    recipe = replace(QUICK, epochs=10, warmup_epochs=2, lr=1.0, lr_start=0.0, lr_end=0.1)
    rates = [schedule_of(recipe, 5).learning_rate(s) for s in range(50)]
    assert rates[:10] == pytest.approx([0.1 * (s + 1) for s in range(10)])
    assert rates[29] == pytest.approx(0.55) and rates[-1] == pytest.approx(0.1)
    assert all(a > b for a, b in pairwise(rates[9:]))


def test_parts_of_a_batch_add_up_to_it(parts):
    recipe = setup(epochs=1, warmup_epochs=0, batch=14)  # 64 clips: the last batch is smaller
    whole, cut = (
        tuned(parts, replace(recipe, recipe=replace(recipe.recipe, accumulate=a))) for a in (1, 4)
    )
    a, b = whole.model.state_dict(), cut.model.state_dict()
    assert all(torch.allclose(a[k], b[k], atol=2e-5) for k in a)
    assert whole.curves.loss.to_numpy() == pytest.approx(cut.curves.loss.to_numpy(), rel=1e-4)


def test_every_epoch_has_every_clip_in_another_order(parts):
    batches = LabelledBatches(parts["train"], CLIP, setup(batch=24), 0)
    assert batches.steps_per_epoch == 3
    epochs = [
        [item for step in range(3 * e, 3 * e + 3) for item in batches.rows(step)] for e in (0, 1)
    ]
    orders = [[row for row, _ in epoch] for epoch in epochs]
    assert [sorted(o) for o in orders] == [list(range(64))] * 2 and orders[0] != orders[1]
    draws = [draw for epoch in epochs for _, draw in epoch]
    assert len(set(draws)) == 128  # so no clip is cropped twice alike
    assert batches.rows(1) == epochs[0][24:48]  # also after a later epoch was asked for


def test_loader_processes_change_nothing(parts):
    one, two = (LabelledBatches(parts["train"], CLIP, setup(), w).from_step(3, 6) for w in (0, 1))
    for a, b in zip(one, two, strict=True):
        assert torch.equal(a["frames"], b["frames"]) and torch.equal(a["labels"], b["labels"])


# --- the command --------------------------------------------------------------------------------

SETTINGS = """\
device = "cpu"
workers = 0
checkpoint_every = 5
runs = "runs"
seeds = [3]
init = "{init}"

[model]
height = 16
width_px = 16
frames = 2

[augmentation]
scale = [0.8, 1.0]

[finetune]
labels = "{labels}"
epochs = 3
batch = 16
lr = 0.005
warmup_epochs = 1
"""


@pytest.fixture
def lab(tmp_path, labels):
    """paper.toml, and a run's folder to begin at; (write, path)."""
    folder = tmp_path / "start"
    folder.mkdir()
    save_file(start().state_dict(), folder / "encoder.safetensors")
    (folder / "config.json").write_text(json.dumps({"train": {"encoder": plain(CFG)}}))

    def write(init="start", name="paper.toml", labelled=labels, change=("", ""), runs="runs"):
        text = SETTINGS.format(init=init, labels=labelled).replace('"runs"', f'"{runs}"')
        path = tmp_path / name
        path.write_text(text.replace(*change) if change[0] else text)
        return path

    return write


def command(path, *more):
    return main(["finetune", "--config", str(path), *more])


def test_one_command_trains_records_and_costs_nothing_again(lab, labels, tmp_path, capsys):
    path = lab()
    assert command(path) == 0, capsys.readouterr().err
    assert "fine-tuned, attentive" in capsys.readouterr().out
    s = load_settings(path)
    run = paper.finetuning_run(s, 3)
    kept = s.store.load(run)
    metrics = kept.metrics.set_index("split")
    assert list(metrics.index) == ["val", "test"] and set(metrics.benchmark) == {"mine"}
    assert metrics.n_test.to_dict() == {"val": 16, "test": 32} and set(metrics.n_train) == {64}
    right = load_file(kept.path / "right.safetensors")
    assert right["test"].sum() == metrics.correct["test"] and len(right["test_row"]) == 32
    # The encoder opens as any run's, and is the one whose accuracy is recorded.
    encoder, config = open_run(kept.path)
    assert config["init"] == run.init and config["train"]["recipe"]["layer_decay"] == 0.75
    model = Classifier(run.train, encoder.state_dict())
    model.head.load_state_dict(load_file(kept.path / "head.safetensors"))
    test = StreamedClips(read_manifest(labels).split("test"), CLIP, 0)
    with torch.no_grad():
        again = model.eval()(test.batch(slice(0, 32))).argmax(1) == test.labels
    assert torch.equal(again, right["test"].bool())
    before = (kept.path / "metrics.csv").stat().st_mtime_ns
    assert command(path) == 0
    assert (kept.path / "metrics.csv").stat().st_mtime_ns == before
    assert main(["table", "--config", str(path), "--out", str(tmp_path / "out")]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "finetuned_table.csv", "finetuned_table.md"
    ]  # fmt: skip
    table = pd.read_csv(tmp_path / "out/finetuned_table.csv", dtype={"init": str})
    assert list(table.split) == ["test", "val"] and set(table.init) == {run.init[:8]}
    # Training may go on from it, with labels or without.
    assert command(lab(init=kept.path, name="more.toml")) == 0


def test_released_weights_are_begun_at(lab, tmp_path, capsys):
    """A checkpoint of the vjepa2 repository; with next to no rate, its weights stay."""
    released = tmp_path / "released"
    released.mkdir()
    even = replace(CFG, depth=2, levels=(1, 2))
    torch.manual_seed(2)
    encoder = Encoder(even)
    state = {f"module.backbone.{k}": v for k, v in repository_state(encoder).items()}
    torch.save({"target_encoder": state}, released / "vjepa.pt")
    (released / "config.json").write_text(json.dumps({"num_attention_heads": 2}))
    path = lab(
        init="released/vjepa.pt", change=("lr = 0.005", "lr = 1e-9\nlr_start = 0.0\nlr_end = 0")
    )
    assert command(path, "--seed", "5") == 0, capsys.readouterr().err
    s = load_settings(path)
    kept = load_file(s.store.path(paper.finetuning_run(s, 5)) / "encoder.safetensors")
    begun = encoder.state_dict()
    assert begun.keys() == kept.keys()
    assert all(torch.allclose(kept[k], begun[k], atol=1e-6) for k in begun)


@pytest.mark.parametrize("end", ["asked", "killed"])
def test_a_stopped_training_goes_on_to_the_bit(lab, monkeypatch, capsys, end):
    whole = lab(name="whole.toml", runs="whole")
    assert command(whole) == 0
    take = finetune._Step.take
    taken = []

    def stops(self, *clips):
        log = take(self, *clips)
        taken.append(self.number)
        if self.number == 7 and len(taken) == 7:
            if end == "killed":
                raise SystemExit(9)  # nothing is saved now; the checkpoint of step 5 is there
            os.kill(os.getpid(), signal.SIGINT)
        return log

    monkeypatch.setattr(finetune._Step, "take", stops)
    path = lab(name="stopped.toml", runs="stopped")
    if end == "killed":
        with pytest.raises(SystemExit):
            command(path)
    else:
        assert command(path) == 130
        assert "the same command goes on" in capsys.readouterr().err
    assert taken[-1] == 7 and command(path) == 0
    assert taken[7] == {"asked": 8, "killed": 6}[end] and taken[-1] == 12
    folders = []
    for settings in map(load_settings, (whole, path)):
        folders.append(settings.store.path(paper.finetuning_run(settings, 3)))
    for file in ("encoder.safetensors", "head.safetensors", "right.safetensors"):
        a, b = (load_file(f / file) for f in folders)
        assert a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a), file
    for file in ("curves.csv", "metrics.csv"):
        assert (folders[0] / file).read_text() == (folders[1] / file).read_text()


def changed(labels, tmp_path, change):
    """A copy of the manifest with another table."""
    table = pd.read_csv(labels)
    table["path"] = [str(labels.parent / p) for p in table["path"]]
    path = tmp_path / "changed.csv"
    change(table).to_csv(path, index=False)
    return path


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda t: t.assign(label=-1), "has no labels, only -1"),
        (lambda t: t[t.split == "train"], "of split train alone: give some of them the split val"),
        (lambda t: t[t.split != "train"], "of split val, test alone: give some of them the split "
                                          "train"),
        (lambda t: t.assign(label=t.label.where(t.split != "train", -1)), "the split train"),
        (lambda t: t.assign(label=t.label.where(t.split != "train", 7)), "one class alone in split "
                                                                         "train, label 7"),
    ],
)  # fmt: skip
def test_a_manifest_without_what_is_needed_is_one_sentence(
    lab, labels, tmp_path, capsys, change, says
):
    path = lab(labelled=changed(labels, tmp_path, change))
    assert command(path) == 2
    told = capsys.readouterr().err
    assert says in told and told.startswith("error: ") and told.count("\n") == 1


@pytest.mark.parametrize(
    "change, says",
    [
        (('init = "start"', ""), "name released ones, or a run's folder, with `init`"),
        (('"start"', '"nowhere"'), "correct `init`"),
        (("labels = ", "# "), "name their manifest with `labels` below [finetune]"),
        (("mine.csv", "none.csv"), "none.csv does not exist"),
        (("frames = 2", "frames = 3"), "does not divide into tubelets"),
        (("height = 16", "height = 18"), "change height"),
        (("frames = 2", "frames = 2\nwidth = 96"), "[model] says width = 96, but"),
        (("epochs = 3", 'epochs = 3\nhead = "linear"'), "choose one of attentive, mean"),
        (("epochs = 3", "epochs = 3\nlayer_decay = 0"), "layer_decay is 0.0: it must be"),
        (("epochs = 3", "epochs = 3\naccumulate = 17"), "no 17 parts"),
        (("warmup_epochs = 1", "warmup_epochs = 4"), "warm up for no longer"),
        (('"cpu"', '"mps"'), "choose 'cpu' or 'cuda'"),
        (("lr = 0.005", "lr = 1e30\nlr_start = 1e30\ngrad_clip = 1e30"), "loss is not finite"),
    ],
)
def test_mistakes_in_the_settings_are_one_sentence(lab, capsys, change, says):
    assert command(lab(change=change)) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: ") and says in told


def test_mistakes_in_the_command_are_one_sentence(lab, capsys, monkeypatch):
    for more, says in ((["--seed", "-1"], "--seed"), (["--device", "tpu"], "Unknown device")):
        assert command(lab(), *more) == 2
        told = capsys.readouterr().err
        assert says in told and told.count("\n") == 1
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert command(lab()) == 2
    assert "start it without torchrun" in capsys.readouterr().err


def test_what_is_left_out_is_said(lab, labels, tmp_path, capsys):
    def change(table):
        table.loc[table.index[:4], "label"] = -1  # of split train
        table.loc[table.index[-1], "label"] = 5  # of split test
        return table

    assert command(lab(labelled=changed(labels, tmp_path, change))) == 0
    told = capsys.readouterr().err
    assert (
        "4 rows of" in told
        and "Split test has clips of classes that split train has none of (1)" in told
    )


def test_files_that_cannot_be_read_are_counted_or_refused(
    lab, labels, tmp_path, monkeypatch, capsys
):
    def change(table):
        table.loc[table.index[5], "path"] = "gone.png"
        return table

    path = lab(labelled=changed(labels, tmp_path, change))
    monkeypatch.setattr(finetune, "MOST_BROKEN", 0.001)
    assert command(path) == 2
    assert "1 of 112 files cannot be read" in capsys.readouterr().err
    monkeypatch.setattr(finetune, "MOST_BROKEN", 0.01)
    assert command(path) == 0
    s = load_settings(path)
    metrics = s.store.load(paper.finetuning_run(s, 3)).metrics
    assert set(metrics.broken) == {1} and set(metrics.n_train) == {63}


def test_too_little_memory_says_what_to_change(lab, monkeypatch, capsys):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(finetune._Step, "_learn", full)
    assert command(lab()) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert told.startswith("error: The GPU has too little memory: raise accumulate")
    assert "[finetune]" in told and "activation_checkpointing" in told


def test_the_address_depends_on_rows_weights_and_settings_alone(lab, labels, tmp_path):
    def address(**changes):
        return config_hash(paper.finetuning_run(load_settings(lab(**changes)), 3))

    first = address()
    (tmp_path / "labels").mkdir()
    moved = tmp_path / "labels" / "moved.csv"
    moved.write_text(labels.read_text())
    assert address(labelled=moved) == first and address(runs="other") == first
    fewer = tmp_path / "labels" / "fewer.csv"
    fewer.write_text("\n".join(labels.read_text().splitlines()[:-1]))
    assert address(labelled=fewer) != first
    assert address(change=("epochs = 3", "epochs = 4")) != first
    other = tmp_path / "other"
    other.mkdir()
    save_file(start(9).state_dict(), other / "encoder.safetensors")
    (other / "config.json").write_text(json.dumps({"train": {"encoder": plain(CFG)}}))
    assert address(init="other") != first


def test_a_training_that_only_lacks_its_readings_is_read(parts, tmp_path):
    """Killed after the last step: nothing is trained further."""
    file, recipe = tmp_path / "checkpoint.pt", setup(epochs=1, warmup_epochs=0)
    first = tuned(parts, recipe, checkpoint=file)
    again = tuned(parts, recipe, checkpoint=file, workers=1)
    a, b = first.model.state_dict(), again.model.state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    assert all(np.array_equal(first.right[s][1], again.right[s][1]) for s in ("val", "test"))
    pd.testing.assert_frame_equal(first.curves, again.curves)


def test_a_checkpoint_of_another_setup_is_refused(parts, tmp_path):
    file = tmp_path / "checkpoint.pt"
    tuned(parts, setup(epochs=1, warmup_epochs=0), checkpoint=file)
    with pytest.raises(Exception, match="belongs to another configuration"):
        tuned(parts, setup(epochs=2, warmup_epochs=0), checkpoint=file)


def test_classes_without_a_training_clip_have_a_place(parts):
    assert Classifier(replace(setup(), classes=7), start().state_dict()).head.out.out_features == 7
    with pytest.raises(ConfigError, match="head"):
        FineTune(head="none")


@pytest.mark.parametrize("head", ["attentive", "mean"])
def test_its_export_says_what_it_is(lab, tmp_path, head):
    path = lab(change=("epochs = 3", f'epochs = 3\nhead = "{head}"'))
    assert command(path) == 0
    s = load_settings(path)
    folder = s.store.path(paper.finetuning_run(s, 3))
    encoder, config = open_run(folder)
    card = model_card(folder, config, encoder, "vjepa2", "None.")
    for fact in (
        f"# fine-tuned ({head}), seed 3", "cross-entropy with labels, all layers, rate times 0.75",
        f"the {head} head is not in this folder", "3 epochs, 16 clips a step.",
        "- labels: share 1, 112 clips", f"| mine | fine-tuned, {head} |", "license: other",
        "Encoder and head trained together",
    ):  # fmt: skip
        assert fact in card, fact
    assert "Frozen" not in card and "steps of ?" not in card


def test_a_fine_tuned_encoder_is_read_as_any_other(lab, labels, capsys):
    """Frozen, by the probes of a benchmark; `--device` goes before the settings' own."""
    path = lab()
    assert command(path) == 0
    s = load_settings(path)
    folder = s.store.path(paper.finetuning_run(s, 3))
    more = (
        f'[benchmarks]\nucf101 = "{labels}"\n[probes]\nepochs = 1\nlinear_epochs = 1\nheads = 2\n'
    )
    path.write_text(path.read_text().replace('"cpu"', '"none"') + more)
    assert main(["probe", "--config", str(path), "--encoder", str(folder)]) == 2
    assert "Unknown device 'none'" in capsys.readouterr().err
    read = ["probe", "--config", str(path), "--encoder", str(folder), "--device", "cpu"]
    assert main(read) == 0
    assert folder.name in capsys.readouterr().out
    assert main(["table", "--config", str(path), "--out", str(path.parent / "out")]) == 0
    written = {p.stem for p in (path.parent / "out").iterdir()}
    assert written == {"paper_table", "paper_wide", "finetuned_table"}


# --- what is documented -------------------------------------------------------------------------

DOCS = (Path(__file__).resolve().parent.parent / "docs" / "paper_protocol.md").read_text()
SECTION = DOCS.split("### Fine-tuning with labels\n")[1].split("\n**What an encoder sees**")[0]


def test_the_documented_commands_and_keys_are_these(lab, tmp_path):
    """Every command of the section, with the section's own settings file filled in."""
    keys = tomllib.loads(SECTION.split("```toml\n")[1].split("```")[0])
    assert set(keys) == {"init", "finetune"} and set(keys["finetune"]) == {"labels"}
    path = lab(name="finetune.toml")
    lines = [x for x in SECTION.splitlines() if x.startswith("python -m vjepa_lib.paper ")]
    assert len(lines) == 2
    for line in lines:
        given = [str(path) if x == "finetune.toml" else x for x in shlex.split(line)[3:]]
        assert main(given) == 0
    assert len(paper.finetuned_table(load_settings(path).store)) == 4  # two seeds, two splits


def test_the_documented_memory_is_computed():
    said = [float(x) for x in re.findall(r"([\d.]+) GB", SECTION)]
    cfg = EncoderConfig()
    tokens = cfg.grid.n * FineTune().batch
    assert said == [round(memory._kept(cfg, tokens, 2, again) / 1e9, 1) for again in (False, True)]
