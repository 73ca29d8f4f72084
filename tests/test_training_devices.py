"""On a GPU training leaves cuDNN's attention out, and a compiler that fails is one sentence."""

import inspect
from dataclasses import dataclass
from types import SimpleNamespace

import pandas as pd
import pytest
import torch

from vjepa_lib.errors import ConfigError
from vjepa_lib.paper import finetuning, training
from vjepa_lib.paper.__main__ import main
from vjepa_lib.study.ensure import ensure
from vjepa_lib.study.store import RunStore
from vjepa_lib.training.devices import KEEP_CUDNN, compiler_failure, trains_on
from vjepa_lib.training.trainer import Trainer

allowed = torch.backends.cuda.cudnn_sdp_enabled


@pytest.fixture(autouse=True)
def as_pytorch_begins(monkeypatch):
    monkeypatch.delenv(KEEP_CUDNN, raising=False)
    torch.backends.cuda.enable_cudnn_sdp(True)
    yield
    assert allowed(), "the setting was not given back"


# --- attention ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "device, kept, inside",
    [("cuda", None, False), ("cuda:1", None, False), ("cuda", "1", True), ("cpu", None, True)],
)
def test_cudnn_is_left_out_on_a_gpu_alone_and_given_back(device, kept, inside, monkeypatch):
    if kept:
        monkeypatch.setenv(KEEP_CUDNN, kept)
    with trains_on(device):
        assert allowed() is inside
    assert allowed()
    with pytest.raises(KeyError), trains_on(device):
        raise KeyError
    assert allowed()


def test_who_switched_it_off_finds_it_off():
    torch.backends.cuda.enable_cudnn_sdp(False)
    with trains_on("cuda"):
        pass
    assert not allowed()
    torch.backends.cuda.enable_cudnn_sdp(True)


class Seen(Exception):
    """A training has begun."""


@pytest.fixture
def seen():
    """What stands for a training: it keeps whether cuDNN was allowed when it was called."""
    found = []

    def train(*_, **__):
        found.append(allowed())
        raise Seen

    return found, train


def test_pretraining_leaves_it_out(lab, seen, monkeypatch):
    found, train = seen
    monkeypatch.setattr(training, "check_device", lambda *_: None)
    monkeypatch.setattr(training, "pretrain", train)
    command = ["train", "--config", str(lab), "--variant", "ucf_baseline", "--seed", "9"]
    with pytest.raises(Seen):
        main([*command, "--device", "cuda"])
    assert found == [False]


def test_fine_tuning_leaves_it_out(seen, monkeypatch, tmp_path):
    found, train = seen
    monkeypatch.setattr(finetuning, "fine_tune", train)
    for name in ("_by_split", "open_any"):
        monkeypatch.setattr(finetuning, name, lambda *_: SimpleNamespace(state_dict=dict))
    monkeypatch.setattr(finetuning, "labelled_rows", lambda _: (None, 0))
    settings = SimpleNamespace(device="cuda", init="", workers=0, checkpoint_every=1)
    encoder = SimpleNamespace(height=32, frames=8)
    run = SimpleNamespace(train=SimpleNamespace(encoder=encoder), clip=None)
    with pytest.raises(Seen):
        finetuning._made(settings, run, tmp_path, False)
    assert found == [False]


@dataclass(frozen=True)
class Toy:
    """A run of nothing."""

    seed: int = 0


def test_runs_of_the_study_leave_it_out(tmp_path):
    found = []

    def train(config, partial, device):
        found.append(allowed())
        return pd.DataFrame({"top1": [1.0]}), pd.DataFrame({"step": [0]})

    for seed, device in enumerate(("cuda", "cpu")):
        ensure(RunStore(tmp_path), [Toy(seed)], train, device=device, progress=False)
    assert found == [False, True]


# --- the compiler -------------------------------------------------------------------------------

ADVICE = "\n\nSet TORCHDYNAMO_VERBOSE=1 for the internal stack trace\n"


def inductor_error(inner):
    from torch._inductor.exc import InductorError

    return InductorError(inner, inspect.currentframe())


def test_a_network_that_cannot_be_compiled_is_one_sentence(lab, monkeypatch, capsys):
    def fails(*_):
        raise inductor_error(AssertionError())

    monkeypatch.setattr(Trainer, "train_step", fails)
    command = ["train", "--config", str(lab), "--variant", "ucf_baseline", "--seed", "9"]
    assert main(command) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert told.startswith(f"error: torch.compile of PyTorch {torch.__version__} cannot compile")
    assert "InductorError: AssertionError" in told and "set compile = false" in told
    assert "Traceback" not in told and "TORCHDYNAMO" not in told


def test_a_failure_is_named_in_few_words():
    from torch._dynamo.exc import TorchRuntimeError

    said = compiler_failure(inductor_error(RuntimeError("no kernel " + 200 * "x" + ADVICE)))
    assert said.startswith("InductorError: RuntimeError: no kernel xx")
    assert len(said) < 100 and "\n" not in said
    assert compiler_failure(TorchRuntimeError("")) == "TorchRuntimeError"


@pytest.mark.parametrize("error", [RuntimeError("shape"), ConfigError("loss"), KeyboardInterrupt()])
def test_other_errors_are_left_alone(error):
    assert not compiler_failure(error)
    with pytest.raises(type(error)) as caught, trains_on("cuda"):
        raise error
    assert caught.value is error
