"""The timed forms are equal, the fast ones faster, and every figure is printed."""

import inspect
import re
import subprocess
import time
import warnings
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity

from vjepa_lib.bench import bench, gpu, kernels, pieces, processes, stacked, timing
from vjepa_lib.bench.__main__ import main
from vjepa_lib.bench.decoding import decoding
from vjepa_lib.bench.probing import Noise, probe, probe_by_batch, probe_from_features
from vjepa_lib.bench.published_step import PublishedTrainer
from vjepa_lib.bench.reference import epps_pulley_by_point, step_by_group
from vjepa_lib.bench.steps import (
    against_plain,
    against_published,
    in_second_half,
    operations,
    plain_trainer,
    profile_setup,
    random_clips,
    shrunk_paper,
)
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.model.rotary import Rotary
from vjepa_lib.model.vit import Encoder
from vjepa_lib.objectives.sigreg import epps_pulley
from vjepa_lib.training.trainer import Trainer


def quick(variant="baseline", **schedule):
    """The smallest training. All channels of a head are rotated, so that no bias is without effect
    (AdamW would blow its rounding up to whole steps), and the learning rate is low."""
    setup = profile_setup("smoke", variant)
    wanted = {"steps": 8, "batch": 2, "lr": 2e-4, "lr_start": 2e-4, "context_start": 0.5}
    return replace(setup, schedule=replace(setup.schedule, **(wanted | schedule)))


# --- timing -----------------------------------------------------------------------------------


def test_ratio_is_of_times_in_one_run():
    row = timing.compare(
        "sleep", lambda: time.sleep(0.02), lambda: time.sleep(0.002), None, 3, time.perf_counter
    )
    assert 5 < row.ratio < 12
    assert "| sleep" in bench.table([row])


def test_forms_take_turns_and_the_shortest_time_counts():
    now, calls = [0.0], []
    spans = {"a": iter([9, 4, 5, 3, 6]), "b": iter([9, 4, 2, 8, 7])}

    def form(name):
        calls.append(name)
        now[0] += next(spans[name])

    forms = {n: lambda n=n: form(n) for n in spans}
    assert timing.in_turns(forms, 4, lambda: now[0]) == {"a": 3, "b": 2}
    assert "".join(calls) == "ab" * 5  # one call to warm up


def test_a_short_form_is_repeated_until_it_lasts_as_long_as_the_other():
    now, calls = [0.0], {"long": 0, "short": 0}

    def form(name, span):
        calls[name] += 1
        now[0] += span

    forms = {"long": lambda: form("long", 0.125), "short": lambda: form("short", 1 / 64)}
    times = timing.in_turns(forms, 2, lambda: now[0])
    assert times == {"long": 0.125, "short": 1 / 64}
    assert calls == {"long": 3, "short": 2 + 8}


def test_waiting_is_not_counted():
    """Processor time: what other programs do while this one waits is none of its business."""

    def wait():
        time.sleep(0.05)

    assert timing.in_turns({"wait": wait}, 1)["wait"] < 0.03


def test_threads_are_given_back():
    before = torch.get_num_threads()
    with timing.one_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == before


# --- parts of a step --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["multiblock", "motion_guided"])
def test_masks_are_many_times_faster_than_the_plain_loop(kind):
    with timing.one_thread():
        assert pieces.masks(kind, rounds=3).ratio > 5  # 10 is the aim on a quiet machine


def test_distances_are_many_times_faster_than_token_by_token():
    with timing.one_thread():
        assert pieces.context_distances(rounds=3).ratio > 30


def test_point_by_point_statistic_is_the_same():
    x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(epps_pulley(x), epps_pulley_by_point(x), rtol=1e-4, atol=1e-5)


# --- the step ---------------------------------------------------------------------------------


def assert_same_training(setup, ours, other, step):
    """Losses of three steps, the last two with the context loss, and all weights after them."""
    clips = random_clips(setup)
    for trainer in (ours, other):
        trainer.step = 4
    before = [p.clone() for p in ours.context_encoder.parameters()]
    weights = []
    for _ in range(3):
        weights.append(setup.schedule.context_lambda(ours.progress))
        want = float(step(clips))
        assert float(ours.train_step(clips)["total"]) == pytest.approx(want, rel=1e-5)
    assert weights[0] == 0 < weights[1]
    for name, module in ours.modules().items():
        same = other.modules()[name].state_dict()
        for key, value in module.state_dict().items():
            assert torch.allclose(value, same[key], rtol=0, atol=1e-5), (name, key)
    moved = zip(before, ours.context_encoder.parameters(), strict=True)
    assert max(float((a - b).detach().abs().max()) for a, b in moved) > 4e-4


def test_our_step_is_the_plain_step():
    setup = quick()
    plain = plain_trainer(setup)
    assert_same_training(setup, Trainer(setup), plain, lambda x: step_by_group(plain, x))


@pytest.mark.parametrize("masking", ["multiblock", "motion_guided"])
def test_our_step_is_the_published_step(masking):
    setup = quick("fwm_ld")
    setup = replace(setup, masking=replace(setup.masking, kind=masking))
    published = PublishedTrainer(setup)
    step = published.train_step
    assert_same_training(setup, Trainer(setup), published, lambda x: step(x)["total"])


def test_plain_networks_write_everything_out(monkeypatch):
    """No norm or attention of PyTorch's own, so that the ratio is to what it says."""
    setup = quick()
    plain, clips = plain_trainer(setup), random_clips(setup)

    def refuse(*args, **kwargs):
        raise AssertionError("a kernel of PyTorch's own")

    monkeypatch.setattr("torch.nn.functional.scaled_dot_product_attention", refuse)
    monkeypatch.setattr("torch.nn.LayerNorm.forward", refuse)
    step_by_group(plain, clips)
    with pytest.raises(AssertionError, match="own"):
        Trainer(setup).train_step(clips)


def test_published_step_knows_its_terms():
    with pytest.raises(ConfigError, match="'hw'"):
        PublishedTrainer(quick("hw"))
    with pytest.raises(ConfigError, match="without EMA"):
        PublishedTrainer(quick("no_ema"))


def test_shrunk_geometry_is_the_published_one_on_small_clips():
    setup = shrunk_paper()
    assert (setup.encoder.width, setup.encoder.depth, setup.predictor.depth) == (768, 12, 8)
    assert random_clips(setup).shape == (2, 3, 8, 64, 64)
    assert setup.schedule.amp == "off" and setup.schedule.accumulate == 1


def test_operations_of_a_step_are_counted():
    """At least the linear layers of the pass for the targets, 2 operations a weight and token."""
    setup = quick()
    trainer = in_second_half(Trainer(setup))
    assert trainer.progress == 0.75
    linear = sum(p.numel() for p in trainer.target_encoder.parameters() if p.ndim == 2)
    least = 2 * linear * setup.encoder.grid.n * setup.schedule.batch
    assert least < operations(trainer, random_clips(setup)) < 20 * least


def test_steps_are_rows_and_shares():
    for row, share in (against_plain("smoke", rounds=1), against_published(1, quick("fwm_ld"))):
        assert row.what == share.what and row.fast == pytest.approx(share.milliseconds / 1e3)
        assert 0 < share.share < 1.5 and row.plain > 0
    assert row.aim == 2 and share.aim == 0.6
    assert re.search(r"\d ms, [\d.]+ clips/s, \d+ % of the matrix peak .*aim 60 %", str(share))


# --- decoding and probes ----------------------------------------------------------------------


def test_decoding_says_frames_a_second(monkeypatch):
    every, chosen, said = decoding(rounds=1, frames=24, height=48, width=64)
    assert every.plain > 0 and chosen.fast > 0
    assert re.search(
        r"24 frames of 64 x 48 px, H.264; every frame: decord \d+ frames/s, PyAV", said
    )
    monkeypatch.setattr("vjepa_lib.video.decode._decord", lambda: None)
    (line,) = decoding(rounds=1, frames=24, height=48, width=64)
    assert "not compared" in line and "pip install decord" in line


def test_probe_on_kept_features_is_the_probe_by_batch(smoke):
    torch.manual_seed(0)
    encoder = Encoder(smoke.encoder)
    data = Noise.draw(smoke.encoder, 24, 16)
    cfg = ProbeConfig(linear="adamw", linear_epochs=3, linear_batch=8, choose_epoch=False, lr=0.05)
    by_batch = probe_by_batch(encoder, data, cfg)
    assert np.array_equal(probe_from_features(encoder, data, cfg), by_batch)
    assert 4 < by_batch.sum() < 16  # better than chance, and not so easy that any probe agrees


def test_kept_features_save_the_epochs(smoke):
    assert probe(1, smoke.encoder, train=32, test=8, epochs=8).ratio > 2


# --- on a GPU ---------------------------------------------------------------------------------


def test_no_gpu_is_one_line(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (line,) = gpu.on_gpu()
    assert "PyTorch finds none" in line and "\n" not in line


@pytest.fixture
def pretended_gpu(monkeypatch):
    """A processor that passes for a GPU; what is compiled and how often it is waited for."""
    seen = {"waits": 0, "compiled": 0, "forms": [], "cudnn": []}

    class Recorded(Trainer):
        def __init__(self, setup, device):
            seen["forms"].append((setup.schedule.amp, setup.schedule.compile))
            super().__init__(setup, device)

    def count(what):
        return lambda *args, **kwargs: seen.update({what: seen[what] + 1})

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "pretended")
    monkeypatch.setattr(torch.cuda, "synchronize", count("waits"))
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: None)
    monkeypatch.setattr(torch.nn.Module, "compile", count("compiled"))

    def kernels_of(form):
        seen["cudnn"].append(torch.backends.cuda.cudnn_sdp_enabled())
        return 1e-3

    monkeypatch.setattr(gpu, "Trainer", Recorded)
    monkeypatch.setattr(gpu, "kernel_seconds", kernels_of)
    monkeypatch.setattr(gpu, "WARM", 1)
    return seen


def test_gpu_takes_eager_and_compiled_steps_in_both_precisions(pretended_gpu):
    title, *found = gpu.on_gpu(1, {"smoke": quick()}, device="cpu", matrix=64)
    assert "pretended" in title
    assert [type(f) for f in found] == [timing.Row] * 3 + [timing.Share] * 2 + [str] * 4
    assert "float32, bfloat16" in found[0].what and "eager, compiled" in found[2].what
    assert "cuDNN's attention, flash" in found[1].what
    bfloat16 = ("bf16", False)
    assert pretended_gpu["forms"] == [("off", False), bfloat16, bfloat16, ("bf16", True)]
    assert pretended_gpu["compiled"] == 3  # both encoders and the predictor
    assert pretended_gpu["waits"] == 16  # before and after step and product of four forms
    assert pretended_gpu["cudnn"] == [False, False, True, False]


def test_gpu_says_how_long_it_waits_for_the_host():
    taken = {gpu.BFLOAT16: gpu.Taken(0.2, 0.05, 0.001, operations=10**6)}
    share, waits = gpu._results("a step", taken, 8, 10)
    assert share.share == pytest.approx((10**6 / 0.2) / (2000 / 0.001))
    assert share.clips_per_second == pytest.approx(40)
    assert waits.startswith("a step, bfloat16, eager: the GPU works 50.0 of 200.0 ms (25 %)")


def test_a_gpu_whose_kernels_cannot_be_seen_is_measured_all_the_same(pretended_gpu, monkeypatch):
    monkeypatch.setattr(gpu, "kernel_seconds", lambda form: 0.0)
    _, *found = gpu.on_gpu(1, {"smoke": quick()}, device="cpu", matrix=64)
    assert [type(f) for f in found] == [timing.Row] * 3 + [timing.Share] * 2


@pytest.mark.parametrize("broken", ["compiler", "memory"])
def test_a_form_that_fails_is_one_sentence_and_the_others_are_measured(
    broken, pretended_gpu, monkeypatch
):
    from torch._inductor.exc import InductorError

    errors = {
        "compiler": InductorError(AssertionError(), inspect.currentframe()),
        "memory": torch.OutOfMemoryError("CUDA out of memory"),
    }

    class Failing(gpu.Trainer):
        def train_step(self, clips):
            if self.setup.schedule.compile:
                raise errors[broken]
            return super().train_step(clips)

    monkeypatch.setattr(gpu, "Trainer", Failing)
    _, *found, last = gpu.on_gpu(1, {"smoke": quick()}, device="cpu", matrix=64)
    assert [type(f) for f in found] == [timing.Row] * 2 + [timing.Share] + [str] * 3
    assert last.startswith("step on a GPU, smoke, bfloat16, compiled: not measured, ")
    says = {"compiler": "failed (InductorError: AssertionError)", "memory": "too little memory"}
    assert says[broken] in last and "\n" not in last


def test_another_error_of_a_step_is_not_hidden(pretended_gpu, monkeypatch):
    def wrong(*_):
        raise RuntimeError("a shape that does not fit")

    monkeypatch.setattr(gpu.Trainer, "train_step", wrong)
    with pytest.raises(RuntimeError, match="does not fit"):
        gpu.on_gpu(1, {"smoke": quick()}, device="cpu", matrix=64)


def test_kernels_are_counted_once(monkeypatch):
    """Not with the host's operators that started them, nor with regions that someone named."""
    events = [
        SimpleNamespace(device_type=kind, is_user_annotation=named, self_device_time_total=time)
        for kind, named, time in (
            (DeviceType.CPU, False, 300.0),
            (DeviceType.CUDA, False, 200.0),
            (DeviceType.CUDA, False, 100.0),
            (DeviceType.CUDA, True, 700.0),
        )
    ]
    called = []

    class Profile:
        def __init__(self, activities):
            assert ProfilerActivity.CUDA in activities

        def __enter__(self):
            called.append("begin")
            return self

        def __exit__(self, *_):
            called.append("end")

        def key_averages(self):
            return events

    monkeypatch.setattr(kernels, "profile", Profile)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: called.append("wait"))
    assert kernels.kernel_seconds(lambda: called.append("form")) == pytest.approx(300e-6)
    assert called == ["begin", "form", "wait", "end"]


def test_geometries_on_a_gpu():
    small, paper = gpu.geometries().values()
    assert small.encoder.width == 64
    assert paper.encoder.height == 224 and random_clips(paper)[:, 0, 0, 0, 0].shape == (8,)


def test_a_gpu_too_small_for_a_geometry_is_one_line(pretended_gpu, monkeypatch):
    def full(*args):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(gpu, "Trainer", full)
    lines = gpu.on_gpu(1, {"a": quick(), "b": quick()}, device="cpu", matrix=64)
    assert len(lines) == 3 and all("too little memory" in line for line in lines[1:])


# --- processes that share a GPU ---------------------------------------------------------------


def test_processes_are_not_compared_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (line,) = processes.shared_gpu()
    assert "PyTorch finds none" in line


def test_processes_take_steps_at_the_same_time(pretended_gpu, monkeypatch):
    """Forks, which have loaded PyTorch; processors take the place of the GPU."""
    row, service = processes.shared_gpu(1, quick(), "cpu", processes=2, start="fork")
    assert row.what == "step on a GPU: 1 process, 2 that share it"
    assert 0 < row.plain < 1 and 0 < row.fast < 1
    assert "Multi-Process Service does not run: `nvidia-cuda-mps-control -d`" in service


def test_steps_of_all_processes_are_added_up(pretended_gpu, monkeypatch):
    monkeypatch.setattr(processes, "steps_a_second", lambda s, d, count, *_: 10.0 * count**0.5)
    monkeypatch.setattr(processes, "service_runs", lambda: True)
    row, service = processes.shared_gpu(1, quick())
    assert (row.plain, row.fast, row.ratio) == (0.1, 0.05, 2)
    assert service == "NVIDIA's Multi-Process Service runs"


def test_a_process_that_fails_is_told_and_nobody_waits_for_it(pretended_gpu, monkeypatch, tmp_path):
    def one_is_full(*_):
        try:
            (tmp_path / "first").touch(exist_ok=False)
        except FileExistsError:
            return
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")

    monkeypatch.setattr(processes.Trainer, "train_step", one_is_full)
    said = processes.steps_a_second(quick(), "cpu", 2, 1, "fork")
    assert said == "OutOfMemoryError: CUDA out of memory."
    (tmp_path / "first").unlink()
    (line,) = processes.shared_gpu(1, quick(), "cpu", start="fork")
    assert line.endswith("share it: not measured, OutOfMemoryError: CUDA out of memory.")


def test_the_service_is_found_by_the_name_of_its_process(tmp_path):
    assert not processes.service_runs(tmp_path)
    for number, name in (("1", "init"), ("23", "nvidia-cuda-mps")):
        (tmp_path / number).mkdir()
        (tmp_path / number / "comm").write_text(f"{name}\n")
    assert processes.service_runs(tmp_path)
    (tmp_path / "23" / "comm").unlink()
    assert not processes.service_runs(tmp_path)


# --- networks stacked on a GPU ----------------------------------------------------------------


def stack_and_alone(setup, count=2):
    """Clips, a stack, and its networks once more to be trained alone; all behind the same masks."""
    clips = random_clips(setup)
    alone, others = (stacked.trainings(setup, count, clips) for _ in range(2))
    return clips, stacked.Stacked(others), alone


@pytest.mark.parametrize("paired", [True, False])
def test_a_stacked_step_is_the_steps_of_its_networks(paired):
    """Also with the rotary positions that a GPU takes, which are not complex."""
    clips, stack, alone = stack_and_alone(quick())
    for network in (n for t in (stack.first, *alone) for n in t.modules().values()):
        for module in network.modules():
            if isinstance(module, Rotary):
                module.paired = paired
    before = {name: weights.detach().clone() for name, weights in stack.weights.items()}
    for _ in range(3):
        want = [float(trainer.train_step(clips)["total"]) for trainer in alone]
        assert stack.train_step(clips).tolist() == pytest.approx(want, rel=1e-5)
        assert abs(want[0] - want[1]) > 1e-4  # each network has weights of its own
    for number, trainer in enumerate(alone):
        for part, module in trainer.modules().items():
            for name, p in module.named_parameters():
                ours = stack.weights[f"{part}.{name}"][number]
                assert torch.allclose(ours, p, rtol=0, atol=1e-5), (number, part, name)
    moved = {
        name: float((stack.weights[name].detach() - was).abs().max())
        for name, was in before.items()
    }
    assert max(moved.values()) > 4e-4
    assert all(moved[f"target_encoder.blocks.0.{p}"] > 0 for p in ("qkv.weight", "norm1.bias"))


def test_a_stack_in_half_precision_has_the_losses_and_gradients_of_its_networks(monkeypatch):
    monkeypatch.setattr(Trainer, "_autocast", lambda self: torch.autocast("cpu", torch.bfloat16))
    clips, stack, alone = stack_and_alone(quick())
    losses = stack.losses(clips)
    losses.sum().backward()
    for number, trainer in enumerate(alone):
        loss = stacked.Networks(trainer)(clips)
        loss.backward()
        assert float(losses[number].detach()) == pytest.approx(float(loss.detach()), rel=1e-3)
        for part, module in trainer.modules().items():
            for name, p in module.named_parameters():
                ours = stack.weights[f"{part}.{name}"].grad
                assert (ours is None) == (p.grad is None)
                if ours is not None:
                    assert (ours[number] - p.grad).norm() < 0.02 * p.grad.norm(), name


def test_no_operation_is_taken_one_network_after_the_other():
    """Where PyTorch cannot map an operation it loops, and says so."""
    clips, stack, _ = stack_and_alone(quick())
    kept = torch.nn.functional.scaled_dot_product_attention
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*performance drop")
        stack.train_step(clips)
    assert torch.nn.functional.scaled_dot_product_attention is kept


def test_stacks_are_not_measured_without_a_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    (line,) = stacked.stacked_on_gpu()
    assert "PyTorch finds none" in line and "\n" not in line


@pytest.fixture
def short_stacks(pretended_gpu, monkeypatch):
    monkeypatch.setattr(stacked, "WARM", 1)


def test_stacks_are_measured_in_both_precisions(short_stacks, monkeypatch):
    seen = []

    def timed(forms, rounds, clock, warm):
        seen.append((rounds, clock))
        steps = {name: form() for name, form in forms.items()}
        assert len(steps["alone"]) == len(steps["stacked"])
        assert "grad_norm" not in steps["alone"][0]  # a stack does not take it either
        return {"alone": 0.2 * len(steps["alone"]), "stacked": 0.1}

    monkeypatch.setattr(stacked, "in_turns", timed)
    found = stacked.stacked_on_gpu(3, quick(), "cpu", counts=(1, 2))
    assert seen == [(3, timing.gpu_clock)] * 4
    rows, lines = found[::2], found[1::2]
    assert [row.what.split(":")[0] for row in rows] == [
        f"steps on a GPU, {form}"
        for form in ("1 x float32", "2 x float32", "1 x bfloat16", "2 x bfloat16")
    ]
    assert [row.ratio for row in rows] == pytest.approx([2, 4, 2, 4])
    assert lines[1].endswith("stacked: 5 and 20 steps a second together")


def test_a_stack_is_measured(short_stacks, monkeypatch):
    monkeypatch.setattr(stacked, "PRECISIONS", {"float32": "off"})
    row, line = stacked.stacked_on_gpu(1, quick(), "cpu", counts=(2,))
    assert row.plain > 0 and row.fast > 0 and "steps a second together" in line


@pytest.mark.parametrize(
    "error, says",
    [
        (torch.OutOfMemoryError("CUDA out of memory"), "this GPU has too little memory"),
        (
            RuntimeError("Batching rule not implemented for aten::a.\nPlease file"),
            "RuntimeError: Batching rule not implemented for aten::a.",
        ),
    ],
)
def test_a_stack_that_fails_is_one_sentence_and_the_others_are_measured(
    error, says, short_stacks, monkeypatch
):
    class Failing(stacked.Stacked):
        def losses(self, clips):
            if self.first.setup.schedule.amp == "off":
                raise error
            return super().losses(clips)

    monkeypatch.setattr(stacked, "Stacked", Failing)
    line, row, _ = stacked.stacked_on_gpu(1, quick(), "cpu", counts=(2,))
    assert line.endswith(f"2 x float32: one after the other, stacked: not measured, {says}")
    assert "2 x bfloat16" in row.what and row.fast > 0


# --- the command ------------------------------------------------------------------------------


@pytest.fixture
def figures(monkeypatch):
    """Three figures that take no time; the rounds each was asked for."""
    asked = {}

    def figure(name, found):
        def measure(rounds=None):
            asked[name] = rounds
            if isinstance(found, Exception):
                raise found
            return found

        return measure

    row = timing.Row("a step", 0.2, 0.1, 3)
    share = timing.Share("a step", 100, 160, 0.25)
    made = {
        "step": figure("step", (row, share)),
        "broken": figure("broken", DataError("The disk is full: free some.")),
        "line": figure("line", "no GPU"),
    }
    monkeypatch.setattr(bench, "FIGURES", made)
    monkeypatch.setattr("vjepa_lib.bench.__main__.FIGURES", made)
    return asked


def test_command_prints_rows_shares_lines_and_the_load(figures, capsys):
    assert main(["--only", "step", "--only", "line", "--rounds", "2"]) == 0
    assert figures == {"step": 2, "line": 2}
    out = capsys.readouterr().out.splitlines()
    assert out[2] == "| a step |      200.00 |     100.00 | 2.0            | >= 3  |"
    assert "160.0 clips/s, 25 % of" in out[4] and out[5] == "no GPU" and "cores" in out[6]


def test_what_was_measured_before_an_error_is_printed(figures, capsys):
    assert main([]) == 2
    assert figures == {"step": None, "broken": None}
    out, err = capsys.readouterr()
    assert "a step" in out and "error: The disk is full" in err


@pytest.mark.parametrize(
    "options, says",
    [
        (["--nope"], "--nope"),
        (["--only", "steps"], "step-mini"),
        (["--rounds", "0"], "at least 1"),
        (["--rounds", "two"], "'two'"),
    ],
)
def test_unknown_options_are_one_sentence_and_nothing_runs(options, says, capsys, monkeypatch):
    monkeypatch.setattr("vjepa_lib.bench.__main__.run", lambda *a: pytest.fail("it ran"))
    with pytest.raises(SystemExit) as stop:
        main(options)
    err = capsys.readouterr().err
    assert stop.value.code == 2 and says in err and err.count("\n") == 1


def test_all_figures_are_there():
    assert list(bench.FIGURES) == [
        "masks", "distances", "sigreg", "step-mini", "step-small", "step-vitb", "decoding", "probe",
        "gpu", "gpu-shared", "gpu-stacked",
    ]  # fmt: skip


def test_make_passes_the_choice_on():
    done = subprocess.run(
        ["make", "-n", "bench", "ONLY=step-mini", "ROUNDS=2"],
        cwd=Path(__file__).resolve().parent.parent, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert "vjepa_lib.bench --only step-mini --rounds 2" in done.stdout
