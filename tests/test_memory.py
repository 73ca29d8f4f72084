"""Memory: what a training takes is as computed, and too little of it is told in one sentence."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from small_lab import make_lab

from vjepa_lib import maps, study
from vjepa_lib.errors import OutOfMemory
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.paper import load_settings, probing, training, training_run
from vjepa_lib.paper.__main__ import main
from vjepa_lib.study import results, transfer_runs
from vjepa_lib.training.memory import memory_of, tokens_of, told_what_to_change
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.training.trainer import TermSpec, Trainer, TrainSetup

DOCS = Path(__file__).resolve().parent.parent / "docs" / "paper_protocol.md"


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("lab"), ("ucf101",))


def full(*_, **__):
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


# --- too little ---------------------------------------------------------------------------------


def test_training_says_what_to_change(lab, monkeypatch, capsys):
    monkeypatch.setattr(Trainer, "train_step", full)
    command = ["train", "--config", str(lab), "--variant", "ucf_baseline", "--seed", "9"]
    assert main(command) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith("error: The GPU has too little memory")
    for key in ("batch", "accumulate", "activation_checkpointing"):
        assert key in told
    assert "Traceback" not in told and "Tried to allocate" not in told


def test_reading_says_what_to_change(lab, monkeypatch, capsys):
    s = load_settings(lab)
    training.train(s, training_run(s, "random_init"), progress=False)
    monkeypatch.setattr(probing, "attentive_probe", full)
    command = ["probe", "--config", str(lab), "--variant", "random_init", "--seed", "239"]
    assert main(command) == 2
    told = capsys.readouterr().err
    assert "too little memory" in told and "[probes]" in told and "Traceback" not in told


def test_the_embedded_profiles_say_it_too(monkeypatch):
    monkeypatch.setattr(results, "pretrain", full)
    monkeypatch.setattr(results, "training_clips", lambda *_: None)
    config = study.resolve("baseline", profile="smoke")
    with pytest.raises(OutOfMemory, match="smaller profile"):
        results.pretrained_encoder(config, {})


def test_embedded_probes_say_it_too(monkeypatch):
    """An encoder that trained may still be too large to be read with all its tokens."""
    for module, read, run in (
        (results, "evaluate", study.resolve("random_init", profile="smoke")),
        (
            transfer_runs,
            "read_transfer",
            transfer_runs.transfer_run("random_init", profile="smoke"),
        ),
    ):
        for data in ("clip_sets", "transfer_tasks"):
            found = {n: None for n in results.BENCHMARKS}
            monkeypatch.setattr(module, data, lambda *_, found=found: found, raising=False)
        monkeypatch.setattr(module, read, full)
        train = {results: "train_run", transfer_runs: "train_transfer"}[module]
        with pytest.raises(OutOfMemory, match="The GPU has too little memory: take a smaller"):
            getattr(module, train)(run, None)


def test_maps_say_it_too(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(maps, "open_any", full)
    monkeypatch.setattr(maps, "check_device", lambda *_, **__: None)
    for device, says in (("cpu", "--frames."), ("cuda", "or read with --device cpu.")):
        assert maps.main([str(tmp_path), "x.mp4", "--device", device]) == 2
        told = capsys.readouterr().err
        assert told.startswith("error: The GPU has too little memory: lower --size or --frames")
        assert told.strip().endswith(says) and told.count("\n") == 1


@pytest.mark.parametrize(
    "error, says",
    [
        (RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"), "The GPU has too little"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
         "This machine has too little"),
        (MemoryError("Unable to allocate 9 GiB for an array"), "This machine has too little"),
    ],
)  # fmt: skip
def test_other_devices_run_out_too(error, says):
    with (
        pytest.raises(OutOfMemory, match=f"{says} memory: do less."),
        told_what_to_change("do less"),
    ):
        raise error


def test_a_loader_process_that_dies_is_told():
    bus = "DataLoader worker (pid 7) is killed by signal: Bus error. It is possible that workers "
    says = "A loader process has too little memory: lower workers, or .*--shm-size"
    for text in (bus, "DataLoader worker (pid(s) 7) exited unexpectedly"):
        with pytest.raises(OutOfMemory, match=says), told_what_to_change("do less"):
            raise RuntimeError(text)
    with pytest.raises(RuntimeError, match="of its own"), told_what_to_change("do less"):
        raise RuntimeError("Caught RuntimeError in DataLoader worker process 0: one of its own")


def test_a_real_shortage_is_told_and_other_errors_are_left_alone():
    with pytest.raises(OutOfMemory, match="This machine"), told_what_to_change("do less"):
        torch.empty(2**60)
    with pytest.raises(RuntimeError, match="shape") as caught, told_what_to_change("do less"):
        torch.zeros(2, 3) @ torch.zeros(2, 3)
    assert not isinstance(caught.value, OutOfMemory)


# --- computed -----------------------------------------------------------------------------------


def saved_bytes(trainer, clips, masks):
    """Bytes that autograd keeps for the backward pass of a step's latents, weights apart."""
    own = {p.untyped_storage().data_ptr() for m in trainer.modules().values()
           for p in m.parameters()}  # fmt: skip
    seen = {}

    def keep(t):
        seen.setdefault(t.untyped_storage().data_ptr(), t.untyped_storage())
        return t

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        total, _ = trainer.objective(trainer.latents(clips, masks=masks, with_context=True))
    total.detach()
    return sum(s.nbytes() for k, s in seen.items() if k not in own)


@pytest.mark.parametrize("again", [False, True])
def test_activations_are_as_computed(again):
    encoder = EncoderConfig(height=64, width_px=64, frames=8, patch=8, width=96, depth=4, heads=4,
                            levels=(2, 4))  # fmt: skip
    predictor = PredictorConfig(48, 3, 4)
    schedule = Schedule(steps=1, batch=4, activation_checkpointing=again, context_start=0)
    terms = (TermSpec("jepa"), TermSpec("context"))
    trainer = Trainer(TrainSetup(encoder, predictor, terms, schedule=schedule))
    clips = torch.randn(4, 3, 8, 64, 64)
    masks = trainer.draw_masks(clips)
    found, tokens = saved_bytes(trainer, clips, masks), tokens_of(masks)
    computed = memory_of(encoder, predictor, schedule, tokens=tokens)
    if again:  # the one block that is computed again comes later, in the backward pass
        whole = replace(schedule, activation_checkpointing=False)
        assert found < computed.activations
        assert (
            computed.activations < memory_of(encoder, predictor, whole, tokens=tokens).activations
        )
    else:
        assert computed.activations == pytest.approx(found, rel=0.25)
    trained = [p for m in trainer.trained() for p in m.parameters()]
    assert computed.gradients == sum(4 * p.numel() for p in trained)
    assert computed.optimiser == 2 * computed.gradients
    kept = sum(p.numel() for p in trainer.target_encoder.parameters())
    assert computed.weights == computed.gradients + 4 * kept


def test_the_documented_table_is_what_is_computed():
    s = study.get_profile("paper")
    rows = re.findall(
        r"^\| (\d+) \| (\d+) \| (off|on) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$",
        DOCS.read_text(), re.M,
    )  # fmt: skip
    assert len(rows) == 6
    for accumulate, clips, again, *gb in rows:
        schedule = replace(s.schedule, accumulate=int(accumulate), amp="bf16",
                           activation_checkpointing=again == "on")  # fmt: skip
        m = memory_of(s.encoder, s.predictor, schedule)
        assert int(clips) == schedule.batch // schedule.accumulate
        want = (m.weights, m.gradients + m.optimiser, m.activations, m.total)
        assert [float(x) for x in gb] == [round(x / 1e9, 1) for x in want]
