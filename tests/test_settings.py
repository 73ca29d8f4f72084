"""Settings: every field has a domain, and a value outside it is one sentence."""

from __future__ import annotations

import math
import subprocess
import sys
import tomllib
from dataclasses import fields, replace
from typing import Annotated, get_args, get_origin

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import vjepa_lib.__main__ as lab
import vjepa_lib.datasets.__main__ as data
import vjepa_lib.paper.__main__ as paper
from vjepa_lib import reproduce, study
from vjepa_lib.errors import ConfigError
from vjepa_lib.evaluation.probes import ProbeConfig
from vjepa_lib.evaluation.transfer import TransferConfig
from vjepa_lib.model.masking import MaskGroup, MaskingConfig
from vjepa_lib.model.vit import EncoderConfig, PredictorConfig
from vjepa_lib.objectives import Sizes
from vjepa_lib.paper.config import FineTuning, Heads, Regime, Settings, TrainPerClass
from vjepa_lib.provenance import ROOT
from vjepa_lib.settings import LARGEST, LARGEST_SEED, _hints, override
from vjepa_lib.study.store import config_hash
from vjepa_lib.training.schedules import Schedule
from vjepa_lib.video.augment import Augmentation

DEFAULTS = (
    EncoderConfig(),
    PredictorConfig(),
    MaskGroup(8, 0.15),
    MaskingConfig(),
    Schedule(),
    Augmentation(),
    Sizes(),
    ProbeConfig(),
    TransferConfig(),
    Regime(ucf101=1.0),
    TrainPerClass(),
    Heads(),
    FineTuning(),
    Settings(),
)
FIELDS = [(d, f.name) for d in DEFAULTS for f in fields(d)]

NUMBERS = st.one_of(
    st.integers(-3, 20),
    st.sampled_from([2**31 - 1, 2**31, 2**63, -(2**63), 10**400, 10**6000]),
    st.floats(),
    st.sampled_from([math.nan, math.inf, -math.inf, -0.0, 1e-300, 1e300]),
    st.booleans(),
    st.none(),
    st.text(max_size=3),
)
VALUES = st.one_of(
    NUMBERS,
    st.lists(NUMBERS, max_size=4),
    st.lists(NUMBERS, max_size=4).map(tuple),
    st.sampled_from([("attentive",), (("a", ("b",)),), {}, "bf16", "amg", "adamw", object()]),
)


def one_sentence(error):
    text = str(error.value if hasattr(error, "value") else error)
    assert "\n" not in text and text.endswith(".") and len(text) < 400, text
    return text


@settings(deadline=None, max_examples=600)
@given(st.sampled_from(FIELDS), VALUES)
def test_any_value_is_a_valid_setting_or_one_sentence(field, value):
    defaults, name = field
    try:
        made = replace(defaults, **{name: value})
    except ConfigError as error:
        one_sentence(error)
        return
    if isinstance(made, EncoderConfig):
        assert made.grid.n >= 1
    if isinstance(made, Schedule):
        rates = [made.learning_rate(s) for s in (0, made.steps // 2, max(made.steps - 1, 0))]
        assert all(math.isfinite(r) and r >= 0 for r in rates), made
        assert 0 <= made.ema_momentum(made.steps // 2) <= 1
        assert math.isfinite(made.context_lambda(0.7))
    if not isinstance(made, Settings):
        assert len(config_hash(made)) == 16  # has JSON, so no nan


@settings(deadline=None, max_examples=400)
@given(
    st.sampled_from(
        [
            (t, f.name)
            for t in ("model", "predictor", "schedule", "augmentation", "terms", "probes")
            for f in fields(getattr(Settings(), t))
        ]
    ),
    VALUES,
)
def test_a_settings_file_gives_settings_or_one_sentence_that_names_it(key, value):
    table, name = key
    try:
        made = override(Settings(), {table: {name: value}}, "paper.toml")
    except ConfigError as error:
        assert one_sentence(error).startswith(f"paper.toml, [{table}]")
        assert name in str(error) or "levels" in str(error)
    else:
        assert made.profile.encoder.grid.n >= 1


@pytest.mark.parametrize(
    "defaults, name, value, allowed",
    [
        (EncoderConfig(), "patch", 0, "a whole number from 1"),
        (EncoderConfig(), "tubelet", 0, "a whole number from 1"),
        (EncoderConfig(), "heads", 0, "a whole number from 1"),
        (EncoderConfig(), "depth", -1, "a whole number from 1"),
        (EncoderConfig(), "frames", True, "a whole number from 1"),
        (EncoderConfig(), "height", 2**63, str(LARGEST)),
        (EncoderConfig(), "width", 24.5, "a whole number from 1"),
        (EncoderConfig(), "mlp_ratio", 0.0, "a finite number above 0"),
        (EncoderConfig(), "init_std", math.nan, "a finite number above 0"),
        (EncoderConfig(), "levels", (-1, 12), "a list, each a whole number from 0"),
        (PredictorConfig(), "heads", 0, "a whole number from 1"),
        (PredictorConfig(), "depth", 0, "a whole number from 1"),
        (PredictorConfig(), "out_dim", 0, "a whole number from 1"),
        (Schedule(), "lr", math.nan, "a finite number above 0"),
        (Schedule(), "lr", math.inf, "a finite number above 0"),
        (Schedule(), "lr", -1e-3, "a finite number above 0"),
        (Schedule(), "lr", 0.0, "a finite number above 0"),
        (Schedule(), "weight_decay", -0.1, "of at least 0"),
        (Schedule(), "context_weight", math.inf, "of at least 0"),
        (Schedule(), "betas", (0.9, 1.0), "below 1"),
        (Schedule(), "betas", (0.9,), "2 values, each"),
        (Schedule(), "momentum", 1.1, "from 0 to 1"),
        (Schedule(), "grad_clip", 0.0, "above 0"),
        (Schedule(), "steps", -1, "a whole number from 0"),
        (Schedule(), "warmup", -1, "a whole number from 0"),
        (Schedule(), "batch", 0, "a whole number from 1"),
        (MaskGroup(8, 0.15), "scale", 0.0, "at most 1"),
        (MaskGroup(8, 0.15), "blocks", 0, "a whole number from 1"),
        (MaskingConfig(), "strength", -1.0, "of at least 0 or None"),
        (MaskingConfig(), "uniform", math.nan, "from 0 to 1"),
        (Augmentation(), "scale", (0.0, 1.0), "at most 1"),
        (Augmentation(), "ratio", (0.5, math.inf), "above 0"),
        (Augmentation(), "flip", 2, "from 0 to 1"),
        (Sizes(), "head_hidden", 0, "a whole number from 1"),
        (ProbeConfig(), "strengths", (0.1, -1.0), "above 0"),
        (ProbeConfig(), "lr", 0, "above 0"),
        (ProbeConfig(), "epochs", -1, "a whole number from 0"),
        (ProbeConfig(), "low_shot", (1.0,), "below 1"),
        (TransferConfig(), "neighbours", 0, "a whole number from 1"),
        (TransferConfig(), "shots", (1, 0), "a whole number from 1"),
        (TransferConfig(), "attentive", 3, "a ProbeConfig or None"),
        (Heads(), "epochs", 0, "a whole number from 1"),
        (Heads(), "lr", -1.0, "above 0"),
        (Regime(ucf101=1.0), "ucf101", -0.5, "from 0 to 1"),
        (Regime(ucf101=1.0), "ucf101", math.nan, "from 0 to 1"),
        (Regime(ucf101=1.0), "fps", 0.0, "above 0"),
        (Regime(ucf101=1.0), "frame_step", 0, "a whole number from 1"),
        (Regime(ucf101=1.0), "frame_step", -2, "a whole number from 1"),
        (TrainPerClass(), "hacs", -1, "a whole number from 0"),
        (Settings(), "seeds", (-1,), str(LARGEST_SEED)),
        (Settings(), "seeds", (2**40,), str(LARGEST_SEED)),
        (Settings(), "workers", -1, "a whole number from 0"),
        (Settings(), "checkpoint_every", 0, "a whole number from 1"),
    ],
)
def test_a_value_outside_its_domain_is_named_with_what_is_allowed(defaults, name, value, allowed):
    with pytest.raises(ConfigError) as error:
        replace(defaults, **{name: value})
    text = one_sentence(error)
    assert text.startswith(f"{name} is {value!r}: ") and allowed in text


@pytest.mark.parametrize(
    "make, says",
    [
        (lambda: EncoderConfig(mlp_ratio=1e-9), "mlp_ratio 1e-09 times width 768"),
        (lambda: EncoderConfig(mlp_ratio=1e30), "mlp_ratio 1e\\+30 times width 768"),
        (lambda: Regime(), "ucf101, ssv2 and imagenet100 are all 0"),
        (lambda: Regime(1.0, fps=16.0, frame_step=2), "give a regime one of them"),
        (lambda: MaskingConfig(groups=()), "groups is empty"),
        (lambda: MaskGroup(1, 0.5, (1.5, 0.75)), "second number"),
        (lambda: Augmentation(scale=(0.9, 0.3)), "Crop scale"),
        (lambda: Augmentation(ratio=(2.0, 1.0)), "Crop ratio"),
        (lambda: ProbeConfig(strengths=()), "strengths is empty"),
    ],
)
def test_fields_that_do_not_fit_each_other_are_one_sentence(make, says):
    with pytest.raises(ConfigError, match=says) as error:
        make()
    one_sentence(error)


def test_the_documented_smaller_model_is_one_and_names_every_key_it_changes():
    text = (ROOT / "docs/paper_protocol.md").read_text()
    block = next(b for b in text.split("```")[1::2] if b.startswith("\n[model]"))
    made = override(Settings(), tomllib.loads(block), "docs").model
    assert {"height", "width_px", "frames", "levels"} <= set(tomllib.loads(block)["model"])
    assert made.grid.shape == (4, 7, 7) and made.levels == (2, 4, 6)


def test_a_file_that_gives_one_of_two_replaces_the_others_default():
    table = {"regimes": {"ucf101": {"frame_step": 4}, "mixed": {"fps": 8}}}
    made = override(Settings(), table, "paper.toml").regimes
    assert (made.ucf101.fps, made.ucf101.frame_step) == (None, 4)
    assert (made.mixed.fps, made.mixed.frame_step) == (8.0, None)
    table["regimes"]["mixed"]["frame_step"] = 2
    with pytest.raises(ConfigError, match=r"\[mixed\]: fps is 8 and frame_step 2"):
        override(Settings(), table, "paper.toml")


def parts_of(hint):
    """The innermost types of an annotation; a domain with its type counts as one."""
    if get_origin(hint) in (None, Annotated):
        return [hint]
    return [p for h in get_args(hint) if h is not ... for p in parts_of(h)]


@pytest.mark.parametrize("defaults", DEFAULTS, ids=lambda d: type(d).__name__)
def test_no_number_is_without_a_domain(defaults):
    bare = [n for n, h in _hints(type(defaults)).items() if {int, float} & set(parts_of(h))]
    assert not bare


# --- command lines ----------------------------------------------------------------------------

HUGE = "9" * 5000


@pytest.mark.parametrize(
    "main, arguments, says",
    [
        (reproduce.main, ["--seeds", "-1"], "--seeds is '-1': give whole numbers from 0"),
        (reproduce.main, ["--seeds", "0,x"], "--seeds is '0,x'"),
        (reproduce.main, ["--seeds", HUGE], "--seeds is '999"),
        (reproduce.main, ["--jobs", "0"], "--jobs is '0': give a whole number of processes"),
        (reproduce.main, ["--jobs", HUGE], "--jobs is '999"),
        (lab.main, ["train", "fwm", "--seeds", "-1"], "--seeds is '-1'"),
        (lab.main, ["train", "fwm", "--seeds", HUGE], "--seeds is '999"),
        (lab.main, ["train", "fwm", "--jobs", "0"], "--jobs is '0'"),
        (lab.main, ["train", "fwm", "--jobs", "nan"], "--jobs is 'nan'"),
        (paper.main, ["train", "--variant", "fwm", "--seed", "-1"], "--seed is [-1]"),
        (paper.main, ["probe", "--variant", "fwm", "--seed", "4294967296"], "--seed is [42949"),
        (paper.main, ["train", "--variant", "random_init", "--gpus", "nan"], "--gpus is nan"),
        (data.main, ["health", "m.csv", "--workers", "0"], "--workers is 0"),
        (data.main, ["health", "m.csv", "--min-frames", "-5"], "--min-frames is -5"),
    ],
)
def test_a_wrong_number_on_a_command_line_is_one_sentence(
    main, arguments, says, capsys, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VJEPA_RUNS", str(tmp_path / "runs"))
    if main is paper.main:
        (tmp_path / "paper.toml").write_text('device = "cpu"\n')
        arguments = [*arguments, "--config", "paper.toml"]
    assert main(arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {says}") and told.count("\n") == 1 and len(told) < 300


@pytest.mark.parametrize("wrong", [["--seed", "-1"], ["--sed", "1"]])
def test_a_wrong_argument_of_paper_is_told_before_torch_is_there(wrong):
    arguments = ["train", "--variant", "fwm", *wrong]
    code = (
        "import sys\nfrom vjepa_lib.paper.__main__ import main\n"
        f"try:\n    status = main({arguments!r})\nexcept SystemExit as stop:\n"
        "    status = stop.code\nassert 'torch' not in sys.modules\nsys.exit(status)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2 and "error: " in done.stderr and "Trace" not in done.stderr


@pytest.mark.parametrize("command", ["train", "probe", "status", "table"])
def test_help_says_what_config_is(command, capsys):
    with pytest.raises(SystemExit):
        paper.main([command, "--help"])
    assert "settings file (docs/paper_protocol.md" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    "variant, form, run, says",
    [
        ("fwm_hw_ld", "released", ("fwm_hw", "released"), "moves no weight of the encoder"),
        ("fwm_hw_ld", "described", ("fwm_hw_ld", "described"), None),
        ("baseline", "described", ("baseline", "released"), None),
    ],
)
def test_train_says_why_a_run_has_another_name(variant, form, run, says):
    made = study.recipe(variant, form).canonical
    assert (made.variant, made.form) == run
    told = paper._other_name(variant, form, made)
    assert bool(told) == bool(says)
    if says:
        assert told[0].startswith(f"{variant} ({form}) is trained as {run[0]} ({run[1]}): ")
        assert says in told[0]


def test_an_output_that_cannot_be_written_is_one_sentence(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    (tmp_path / "m.csv").write_text("path,label,split\na.mp4,0,train\n")
    source, target = str(tmp_path / "m.csv"), str(tmp_path / "file" / "out.csv")
    assert data.main(["convert", source, target]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "file" in told and told.count("\n") == 1
