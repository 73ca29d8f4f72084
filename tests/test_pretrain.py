"""Training: the step, its schedule, exact resumption, several processes, and what moves."""

import os
import resource
import signal
import socket
from dataclasses import replace
from multiprocessing import spawn

import numpy as np
import pandas as pd
import pytest
import torch
import warm
from torch import multiprocessing as mp

from vjepa_lib.bench.reference import step_by_group
from vjepa_lib.errors import ConfigError, DataError, RunStoreError
from vjepa_lib.model.masking import MaskingConfig
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.distributed import Sharing, World
from vjepa_lib.training.pretrain import (
    ClipMixture,
    Schedule,
    StreamedMixture,
    TermSpec,
    Trainer,
    TrainSetup,
    pretrain,
)
from vjepa_lib.training.resume import load_state, save_state
from vjepa_lib.training.sources import Draw, StreamedClips, step_generator
from vjepa_lib.video.augment import Augmentation
from vjepa_lib.video.clip_reader import ClipSpec
from vjepa_lib.video.clips import ClipSet, load_clips
from vjepa_lib.video.encode import write_video
from vjepa_lib.video.manifests import Manifest

ENCODER = EncoderConfig(
    height=32,
    width_px=32,
    frames=4,
    patch=8,
    width=16,
    depth=2,
    heads=2,
    levels=(1, 2),
    rope_reference=None,
)
BASE = (TermSpec("jepa"), TermSpec("context"))


def clip_set(n=12, frames=4, size=32, seed=0):
    g = torch.Generator().manual_seed(seed)
    pixels = torch.randint(256, (n, frames, size, size, 3), generator=g, dtype=torch.uint8)
    table = pd.DataFrame({"split": ["train"] * n})
    return ClipSet(pixels, torch.zeros(n, dtype=torch.long), ("a",), table)


def mixture():
    return ClipMixture({"a": clip_set(seed=1), "b": clip_set(seed=2)}, {"a": 0.25, "b": 0.75})


def setup(*terms, schedule=None, **options):
    schedule = {"steps": 8, "batch": 4, "warmup": 2, "log_every": 1, "probe_every": 4} | (
        schedule or {}
    )
    return TrainSetup(
        encoder=ENCODER,
        predictor=PredictorConfig(16, 1, 2),
        terms=(*BASE, *terms),
        schedule=Schedule(**schedule),
        **options,
    )


def state(trainer):
    return {k: v.clone() for m in trainer.modules().values() for k, v in m.state_dict().items()}


def gradients(trainer):
    return torch.cat(
        [p.grad.flatten() for m in trainer.trained() for p in m.parameters() if p.grad is not None]
    )


def test_schedule_of_the_study():
    s = Schedule()
    assert s.learning_rate(0) == pytest.approx(1e-4 + 5e-4 / 300)
    assert s.learning_rate(299) == pytest.approx(6e-4) == s.learning_rate(29_999)
    assert s.ema_momentum(0) == 0.99925 == s.ema_momentum(29_999)
    assert s.context_lambda(0.5) == 0 and s.context_lambda(0.3) == 0
    assert s.context_lambda(0.75) == pytest.approx(0.25)
    assert s.context_lambda(1.0) == pytest.approx(0.5)


def test_optional_schedules():
    s = Schedule(steps=100, warmup=20, lr=1.0, lr_end=0.2, momentum=0.9, momentum_end=1.0)
    assert s.learning_rate(19) == pytest.approx(1.0)
    assert s.learning_rate(59) == pytest.approx(0.6)
    assert s.learning_rate(99) == pytest.approx(0.2)
    assert s.ema_momentum(0) == 0.9 and s.ema_momentum(99) == pytest.approx(1.0)
    with pytest.raises(ConfigError, match="divisor of the batch"):
        Schedule(batch=8, accumulate=3)
    with pytest.raises(ConfigError, match="bf16"):
        Schedule(amp="fp8")


def test_one_step_moves_what_it_should():
    trainer = Trainer(setup(TermSpec("ld", options=(("hidden", 8),))))
    before = state(trainer)
    target = [p.clone() for p in trainer.target_encoder.parameters()]
    log = trainer.train_step(mixture().batch(Draw(0, 4, 0)))
    assert set(log) == {"total", "jepa", "ld", "grad_norm"}  # context has no weight yet
    assert float(log["total"]) == pytest.approx(float(log["jepa"] + log["ld"]))
    for module in (trainer.context_encoder, trainer.predictor, trainer.objective):
        assert any(not torch.equal(before[k], v) for k, v in module.state_dict().items())
    online = list(trainer.context_encoder.parameters())
    for old, now, student in zip(target, trainer.target_encoder.parameters(), online, strict=True):
        assert torch.allclose(now, 0.99925 * old + 0.00075 * student, atol=1e-7)
    assert trainer.step == 1


def test_biases_and_norms_do_not_decay():
    trainer = Trainer(setup())
    decays, spared = trainer.optimizer.param_groups
    assert decays["weight_decay"] == 0.04 and spared["weight_decay"] == 0
    inside = {id(p) for p in spared["params"]}
    for module in trainer.trained():
        for name, p in module.named_parameters():
            norm = any(part.startswith("norm") for part in name.split("."))
            assert (id(p) in inside) == (norm or name.endswith("bias")), name
    assert id(trainer.predictor.mask_tokens) not in inside


def test_heads_do_not_change_the_networks_nor_terms_the_clips():
    plain, more = Trainer(setup()), Trainer(setup(TermSpec("ld"), TermSpec("sigreg")))
    for a, b in zip(plain.predictor.parameters(), more.predictor.parameters(), strict=True):
        assert torch.equal(a, b)
    clips = mixture().batch(Draw(0, 4, 0))
    for (a, b), (c, d) in zip(plain.draw_masks(clips), more.draw_masks(clips), strict=True):
        assert torch.equal(a, c) and torch.equal(b, d)


def test_steps_equal_the_plain_form():
    """Losses and weights of the first steps, with and without the context loss."""
    make = setup(
        TermSpec("ld", options=(("hidden", 8),)),
        schedule={"steps": 6, "context_start": 0.3, "context_end": 0.6, "momentum": 0.9},
    )
    ours, plain = Trainer(make), Trainer(make)
    for step in range(6):
        clips = mixture().batch(Draw(step, 4, 0))
        total = ours.train_step(clips)["total"]
        assert float(total) == pytest.approx(float(step_by_group(plain, clips)), rel=1e-5)
    start = Trainer(make)
    for name, module in ours.modules().items():
        want = plain.modules()[name].state_dict()
        for key, value in module.state_dict().items():
            assert torch.allclose(value, want[key], atol=1e-5), (name, key)
    moved = zip(ours.target_encoder.parameters(), start.target_encoder.parameters(), strict=True)
    assert max(float((a - b).abs().max()) for a, b in moved) > 1e-4  # far more than the tolerance


def test_parts_add_up_to_the_batch():
    """Without terms that compare clips, cutting the batch changes nothing but memory."""
    clips = mixture().batch(Draw(0, 4, 0))
    results = []
    for parts in (1, 2, 4):
        trainer = Trainer(setup(schedule={"accumulate": parts}))
        log = trainer.train_step(clips)
        results.append((float(log["total"]), gradients(trainer)))
    for value, grads in results[1:]:
        assert value == pytest.approx(results[0][0], abs=1e-6)
        assert torch.allclose(grads, results[0][1], atol=1e-5, rtol=1e-3)


def test_saving_memory_changes_nothing():
    clips = mixture().batch(Draw(0, 4, 0))
    grads = []
    for saving in (False, True):
        trainer = Trainer(setup(schedule={"activation_checkpointing": saving}))
        trainer.train_step(clips)
        grads.append(gradients(trainer))
    assert torch.allclose(*grads, atol=1e-7)


def test_gradients_are_cut():
    clips = mixture().batch(Draw(0, 4, 0))
    free, cut = Trainer(setup()), Trainer(setup(schedule={"grad_clip": 1e-3}))
    norm = float(free.train_step(clips)["grad_norm"])
    assert norm > 1e-2 and float(cut.train_step(clips)["grad_norm"]) == pytest.approx(norm)
    assert float(gradients(cut).norm()) == pytest.approx(1e-3, rel=1e-3)


# --- exact resumption -------------------------------------------------------------------------


class Interrupting:
    """Presses Ctrl-C while a step's clips are drawn."""

    def __init__(self, data, step):
        self.data, self.step = data, step

    def batch(self, draw, device):
        if draw.step == self.step:
            self.step = None
            os.kill(os.getpid(), signal.SIGINT)
        return self.data.batch(draw, device)


FULL = setup(
    TermSpec("sigreg", options=(("directions", 8),)),
    TermSpec("iic", options=(("intra", "shuffled"),)),
    TermSpec("vclr", options=(("queue", 6),)),
    masking=MaskingConfig("motion_guided"),
    augmentation=Augmentation(),
)


def test_an_interrupted_run_ends_like_one_that_was_not(tmp_path):
    whole = pretrain(FULL, mixture(), progress=False)
    file = tmp_path / "run" / "checkpoint.pt"
    usual = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        pretrain(FULL, Interrupting(mixture(), 4), checkpoint=file, progress=False)
    assert signal.getsignal(signal.SIGINT) is usual
    assert load_state(file, repr(FULL))["trainer"]["step"] == 5  # the step was finished
    torch.rand(3)  # what happens in between must not matter
    resumed = pretrain(FULL, mixture(), checkpoint=file, progress=False)
    pd.testing.assert_frame_equal(whole.curves, resumed.curves, check_exact=True)
    a, b = state(whole.trainer), state(resumed.trainer)
    assert all(torch.equal(a[k], b[k]) for k in a)


def test_same_seed_same_run_other_seed_other_run():
    first, again = (pretrain(FULL, mixture(), progress=False).curves for _ in range(2))
    pd.testing.assert_frame_equal(first, again, check_exact=True)
    other = pretrain(replace(FULL, seed=1), mixture(), progress=False).curves
    assert not np.allclose(first.total, other.total)


def test_a_run_leaves_the_global_generator_alone():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    pretrain(setup(schedule={"steps": 1}), mixture(), progress=False)
    assert torch.equal(torch.rand(2), expected)


def test_curves_hold_what_they_promise():
    curves = pretrain(setup(), mixture(), progress=False).curves
    assert list(curves.step) == list(range(8))
    assert {"lr", "momentum", "total", "jepa", "context", "grad_norm"} <= set(curves)
    assert curves.rank_me.notna().tolist() == [True] + [False] * 3 + [True] + [False] * 2 + [True]
    assert curves.context.isna().tolist() == [True] * 5 + [False] * 3
    late = curves.iloc[-1]
    weight = setup().schedule.context_lambda(7 / 8)
    assert late.total == pytest.approx(late.jepa + weight * late.context)


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path):
    file = tmp_path / "checkpoint.pt"
    save_state(file, {"setup": "x", "weights": torch.ones(10)})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(RunStoreError, match=r"free some space.*last checkpoint are kept\.$"):
            save_state(file, {"setup": "x", "weights": torch.ones(1_000_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert load_state(file, "x")["weights"].shape == (10,)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.pt"]


def test_checkpoints_that_cannot_be_used_say_so(tmp_path):
    file = tmp_path / "checkpoint.pt"
    file.write_bytes(b"half a file")
    with pytest.raises(RunStoreError, match=r"checkpoint\.pt cannot be read back.*delete it"):
        pretrain(setup(), mixture(), checkpoint=file, progress=False)
    save_state(file, {"setup": repr(FULL)})
    with pytest.raises(RunStoreError, match="another configuration"):
        pretrain(setup(), mixture(), checkpoint=file, progress=False)


def test_a_diverging_run_stops_with_a_sentence():
    wild = setup(TermSpec("ld", weight=float("inf")))
    with pytest.raises(ConfigError, match=r"not finite at step 0: lower the learning rate"):
        pretrain(wild, mixture(), progress=False)


# --- EMA off, in both forms -------------------------------------------------------------------


def kinematic(evaluate):
    return setup(TermSpec("kinematic", 0.1), ema=False, evaluate=evaluate)


def was_trained(done):
    """Whether the evaluated encoder differs, in any bit, from its initialisation."""
    return not same_weights(done.encoder, Trainer(done.trainer.setup).evaluated)


def test_released_ema_off_evaluates_an_encoder_that_never_moved():
    done = pretrain(kinematic("target"), mixture(), progress=False)
    assert not was_trained(done)
    assert done.encoder is done.target_encoder
    assert done.curves.feature_std.dropna().nunique() == 1
    described = pretrain(kinematic("context"), mixture(), progress=False)
    assert was_trained(described) and described.encoder is described.context_encoder
    assert was_trained(pretrain(setup(), mixture(), progress=False))


def test_described_ema_off_stops_the_gradient_of_the_target_but_not_of_the_kinematic_term():
    clips = mixture().batch(Draw(0, 4, 0))
    grads = {}
    for form, evaluate in (("released", "target"), ("described", "context")):
        trainer = Trainer(kinematic(evaluate))
        batch = trainer.latents(clips)
        terms = {t.name: t for t in trainer.objective.terms}
        assert batch.h.requires_grad
        for name in ("jepa", "kinematic"):
            (g,) = torch.autograd.grad(
                terms[name](batch), batch.h, retain_graph=True, allow_unused=True
            )
            grads[form, name] = 0.0 if g is None else float(g.norm())
    assert grads["released", "jepa"] > 0 and grads["described", "jepa"] == 0
    assert grads["released", "kinematic"] > 0 and grads["described", "kinematic"] > 0


def test_with_ema_the_target_has_no_gradient():
    batch = Trainer(setup()).latents(mixture().batch(Draw(0, 4, 0)))
    assert not batch.h.requires_grad and batch.z[0].requires_grad


# --- clips ------------------------------------------------------------------------------------


def test_a_mixture_draws_by_weight_and_gives_slices_of_the_same_batch():
    bright = clip_set()
    bright.frames[:] = 255
    dark = clip_set()
    dark.frames[:] = 0
    data = ClipMixture(
        {"bright": bright, "dark": dark, "unused": clip_set()}, {"bright": 3, "dark": 1}
    )
    clips = data.batch(Draw(5, 400, 1))
    share = float((clips.mean((1, 2, 3, 4)) > 0).float().mean())
    assert 0.67 < share < 0.83
    data = mixture()
    whole = data.batch(Draw(3, 8, 1, augmentation=Augmentation(), crop=(32, 32)))
    part = data.batch(Draw(3, 8, 1, augmentation=Augmentation(), crop=(32, 32), keep=slice(4, 6)))
    assert torch.equal(whole[4:6], part)
    later = data.batch(Draw(4, 8, 1, augmentation=Augmentation(), crop=(32, 32)))
    assert not torch.equal(whole, later)
    plain = data.batch(Draw(3, 8, 1))
    assert plain.shape == (8, 3, 4, 32, 32) and not torch.equal(plain, whole)


def test_a_mixture_that_cannot_be_is_told():
    sets = {"a": clip_set(), "b": clip_set(size=16)}
    with pytest.raises(ConfigError, match="No clips for c: have a, b"):
        ClipMixture(sets, {"c": 1.0})
    with pytest.raises(ConfigError, match="decode them alike"):
        ClipMixture(sets, {"a": 0.5, "b": 0.5})
    with pytest.raises(ConfigError, match="weights of at least 0"):
        ClipMixture(sets, {"a": 0.0})


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for i in range(4):
        frames = np.repeat(rng.integers(0, 255, (6, 4, 4, 3), np.uint8), 8, 1).repeat(8, 2)
        write_video(folder / f"{i}.mp4", frames, 8)
    (folder / "4.mp4").write_bytes(b"broken")
    table = pd.DataFrame(
        {"path": [f"{i}.mp4" for i in range(5)], "label": [0] * 5, "split": ["train"] * 5}
    )
    return Manifest(table, folder, ("a",))


@pytest.mark.filterwarnings("ignore:Left out while training")
def test_streamed_clips_depend_on_seed_and_step_alone(videos):
    def stream(workers):
        spec = ClipSpec(4, (32, 32), sampling="window")
        return StreamedMixture({"v": videos}, {"v": 1.0}, spec, workers)

    crop = {"augmentation": Augmentation(), "crop": (32, 32)}
    here = stream(0)
    steps = [here.batch(Draw(i, 4, 7, **crop)) for i in range(4)]
    assert steps[0].shape == (4, 3, 4, 32, 32)
    ahead = stream(2)
    assert all(torch.equal(ahead.batch(Draw(i, 4, 7, **crop)), steps[i]) for i in (0, 1, 3))
    assert torch.equal(stream(0).batch(Draw(3, 4, 7, **crop, keep=slice(2, 4))), steps[3][2:4])
    assert len(here.skipped) == 1 and "4.mp4" in next(iter(here.skipped.values()))


def test_streaming_needs_training_rows(videos):
    table = videos.table.assign(split="val")
    with pytest.raises(DataError, match="no rows of split train"):
        StreamedMixture({"v": replace(videos, table=table)}, {"v": 1.0}, ClipSpec(4, (32, 32)))


def test_streamed_clips_are_those_of_a_decoded_set(videos):
    good = videos.select(np.arange(4))
    there = load_clips(good, 4, 32, workers=1, progress=False)
    clips = StreamedClips(good, ClipSpec(4, (32, 32)), workers=1)
    assert (
        len(clips) == 4 and clips.num_classes == 1 and list(clips.manifest.split) == ["train"] * 4
    )
    whole = there.batch(slice(0, 4))
    # Read ahead with a shorter last slice, then from the middle on.
    for rows in (slice(0, 3), slice(3, 9), slice(1, 2), slice(2, 4)):
        assert torch.equal(clips.batch(rows), whole[rows])
    assert torch.equal(clips.batch(torch.tensor([3, 1])), whole[[3, 1]])
    with pytest.raises(DataError, match="4.mp4"):
        StreamedClips(videos, ClipSpec(4, (32, 32)), workers=0).batch(slice(3, 5))


# --- several processes ------------------------------------------------------------------------

COUPLED = (
    TermSpec("fwm_orth", 0.01, "described"),
    TermSpec("ld", 1.0, "described", (("hard_weighted", True), ("hidden", 8))),
    TermSpec("iic"),
    TermSpec("vclr", options=(("queue", 6),)),
)


def together(parts):
    """Terms that compare clips, contexts of unequal length, and motion maps to be shared."""
    return setup(
        *COUPLED,
        masking=MaskingConfig("motion_guided"),
        schedule={"steps": 3, "accumulate": parts, "context_start": 0.0},
    )


def _process(rank, port, folder):
    os.environ |= {
        "RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    torch.set_num_threads(1)
    for parts in (1, 2):
        done = pretrain(together(parts), mixture(), progress=False)
        torch.save((done.curves, state(done.trainer)), f"{folder}/{parts}-{rank}.pt")


def test_two_processes_train_like_one(tmp_path):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    plain = spawn.get_executable()
    spawn.set_executable(warm.python())
    try:
        mp.spawn(_process, (port, str(tmp_path)), nprocs=2)
    finally:
        spawn.set_executable(plain)
    for parts in (1, 2):
        alone = pretrain(together(parts), mixture(), progress=False)
        both = [torch.load(tmp_path / f"{parts}-{r}.pt", weights_only=False) for r in (0, 1)]
        names = ["total", *(t.name for t in together(parts).terms), "grad_norm"]
        expected = alone.curves[names].to_numpy()[1:]
        for curves, _ in both:
            assert np.allclose(curves[names].to_numpy()[1:], expected, atol=1e-5, rtol=1e-5)
        weights = state(alone.trainer)
        for name, value in both[0][1].items():
            assert torch.equal(value, both[1][1][name]), name
            assert torch.allclose(value.float(), weights[name].float(), atol=2e-5), name


def test_processes_that_cannot_share_a_batch_are_told():
    assert not Sharing(World(0, 2), 8, 4).spread and Sharing(World(0, 2), 8, 1).spread
    with pytest.raises(ConfigError, match="3 processes can share neither"):
        Sharing(World(0, 3), 8, 2)


def test_every_stream_of_a_step_is_its_own():
    draws = {
        float(torch.rand((), generator=step_generator(*key)))
        for key in ((0, 0), (0, 1), (1, 0), (0, 0, 1), (0, 0, 2), (0, 0, 2, 1))
    }
    assert len(draws) == 6
