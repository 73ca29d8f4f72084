"""On a GPU: what a processor computes, resumption, half precision, and too little memory."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from test_pretrain import Interrupting

from vjepa_lib import study
from vjepa_lib.bench.stacked import Networks, Stacked, trainings
from vjepa_lib.bench.steps import random_clips
from vjepa_lib.errors import OutOfMemory
from vjepa_lib.evaluation.extract import extract
from vjepa_lib.evaluation.probes import ProbeConfig, attentive_reader
from vjepa_lib.evaluation.transfer import Task, TransferConfig, read_transfer
from vjepa_lib.model.masking import MaskingConfig
from vjepa_lib.training.memory import TRAINING, told_what_to_change
from vjepa_lib.training.pretrain import ClipMixture, pretrain
from vjepa_lib.training.sources import Draw
from vjepa_lib.training.trainer import Trainer
from vjepa_lib.video.clips import ClipSet

GPU = "cuda"
pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="PyTorch finds no CUDA GPU on this machine"
)


def clip_set(n=48, classes=2, seed=0):
    """Clips [n, 8, 32, 32, 3] whose brightness tells their class, in three splits."""
    g = torch.Generator().manual_seed(seed)
    labels = torch.arange(n) % classes
    pixels = torch.randint(0, 156, (n, 8, 32, 32, 3), generator=g) + 90 * labels.view(
        -1, 1, 1, 1, 1
    )
    table = pd.DataFrame({"split": np.repeat(["train", "val", "test"], n // 3)})
    names = tuple("ab"[:classes])
    return ClipSet(pixels.to(torch.uint8), labels, names, table)


def setup(variant="fwm_hw_ld+vclr", form="described", **schedule):
    run = study.resolve(variant, form, "smoke", 0)
    return replace(run.train, schedule=replace(run.train.schedule, **schedule))


def clips(trainer):
    return ClipMixture({"a": clip_set()}, {"a": 1.0}).batch(Draw(0, 4, 0), trainer.device)


def gradient(trainer):
    found = [
        p.grad.flatten().cpu()
        for m in trainer.trained()
        for p in m.parameters()
        if p.grad is not None
    ]
    return torch.cat(found)


@pytest.mark.parametrize("variant", [v for v in study.STUDIED if v not in study.REFERENCES])
def test_a_step_is_the_processors(variant):
    for form in ("released", "described"):
        logs, gradients = [], []
        for device in ("cpu", GPU):
            trainer = Trainer(setup(variant, form), device)
            trainer.step = 4  # late enough for the context loss to have weight
            log = trainer.train_step(clips(trainer))
            logs.append({k: float(v) for k, v in log.items()})
            gradients.append(gradient(trainer))
        assert logs[1] == pytest.approx(logs[0], rel=1e-4, abs=1e-5)
        far = (gradients[0] - gradients[1]).norm() / gradients[0].norm().clamp_min(1e-12)
        assert far < 1e-3, f"{variant} ({form}): gradients differ by {far:.1e}"


@pytest.mark.parametrize("amp, near", [("off", 1e-3), ("bf16", 2e-2)])
def test_a_stack_has_the_losses_and_gradients_of_its_networks(amp, near):
    own = setup("baseline", amp=amp)
    x = random_clips(own, GPU)
    stack = Stacked(trainings(own, 2, x))
    losses = stack.losses(x)
    losses.sum().backward()
    for number, trainer in enumerate(trainings(own, 2, x)):
        loss = Networks(trainer)(x)
        loss.backward()
        assert float(losses[number].detach()) == pytest.approx(float(loss.detach()), rel=near)
        pairs = [
            (p.grad, stack.weights[f"{part}.{name}"].grad[number])
            for part, module in trainer.modules().items()
            for name, p in module.named_parameters()
            if p.grad is not None
        ]
        alone, ours = (torch.cat([g.flatten() for g in each]) for each in zip(*pairs, strict=True))
        assert (alone - ours).norm() < near * alone.norm()


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path):
    own = setup(steps=6, log_every=1)
    data = ClipMixture({"a": clip_set()}, {"a": 1.0})
    whole = pretrain(own, data, GPU, progress=False)
    file = tmp_path / "run" / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        pretrain(own, Interrupting(data, 3), GPU, checkpoint=file, progress=False)
    resumed = pretrain(own, data, GPU, checkpoint=file, progress=False)
    # Sums of a GPU have no fixed order, so the last digits may differ.
    pd.testing.assert_frame_equal(whole.curves, resumed.curves, rtol=1e-3)
    assert next(resumed.encoder.parameters()).device.type == GPU


def test_readings_are_the_processors():
    encoder, data = Trainer(setup()).evaluated, clip_set()
    here = extract(encoder, data, "tokens")
    there = extract(encoder.to(GPU), data, "tokens")
    assert there.device.type == "cpu"
    torch.testing.assert_close(there, here, rtol=1e-3, atol=1e-4)
    rows = {s: np.flatnonzero(data.manifest["split"] == s) for s in ("train", "val", "test")}
    cfg, labels = ProbeConfig(epochs=2), data.labels.numpy()
    said = [
        attentive_reader(here, labels, rows, cfg, 0, d)(here, rows["test"]) for d in ("cpu", GPU)
    ]
    assert (said[0] == said[1]).mean() > 0.9
    cfg = TransferConfig((1e-2, 1.0, 1e2), 5, (1,), 2, ProbeConfig(epochs=1))
    task = Task("brightness", data, {("noise", 4): clip_set(seed=1)})
    tables = [read_transfer(encoder.to(d), task, cfg) for d in ("cpu", GPU)]
    assert abs(tables[0].top1 - tables[1].top1).max() < 10  # of 16 clips, one


def test_half_precision_trains_alike():
    found = []
    for amp in ("off", "bf16"):
        trainer = Trainer(setup(amp=amp), GPU)
        log = [trainer.train_step(clips(trainer)) for _ in range(4)][-1]
        found.append(float(log["total"]))
        assert all(p.dtype == torch.float32 for p in trainer.context_encoder.parameters())
    assert found[1] == pytest.approx(found[0], rel=0.05)


def test_a_compiled_step_is_the_plain_one():
    found = []
    for compiled in (False, True):
        trainer = Trainer(setup("baseline", compile=compiled), GPU)
        found.append([float(trainer.train_step(clips(trainer))["total"]) for _ in range(3)])
    assert found[1] == pytest.approx(found[0], rel=1e-3)


def test_masks_that_follow_motion_are_the_processors():
    own = replace(setup("baseline"), masking=MaskingConfig("motion_guided"))
    drawn = []
    for device in ("cpu", GPU):
        trainer = Trainer(own, device)
        drawn.append([[i.cpu() for i in pair] for pair in trainer.draw_masks(clips(trainer))])
    for a, b in zip(*drawn, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_a_gpu_without_memory_is_one_sentence():
    with pytest.raises(OutOfMemory, match="The GPU"), told_what_to_change(TRAINING):
        torch.empty(1 << 50, dtype=torch.uint8, device=GPU)
