"""Domains of variants, embedded data, clips and steps: a right value, or one sentence."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_settings import VALUES, one_sentence

from vjepa_lib import study
from vjepa_lib.datasets.synthetic import DataSpec
from vjepa_lib.errors import ConfigError
from vjepa_lib.paper.config import PROTOCOLS, Heads, Settings
from vjepa_lib.paper.probing import ProbeRun
from vjepa_lib.settings import override
from vjepa_lib.study import domains
from vjepa_lib.study.store import config_hash
from vjepa_lib.video.clip_reader import ClipSpec

CONFIG = study.resolve("baseline", profile="smoke")
WINDOW = ClipSpec(8, (32, 32), "window", 2)


def reading(clip):
    names = ("baseline", "released", "mixed", 0, "x", "ssv2")
    return ProbeRun(*names, PROTOCOLS["ssv2"], clip, "rows", 1, 0, Heads())


def right_or_one_sentence(make):
    """What was made, with an address, or None after one sentence."""
    try:
        made = make()
    except ConfigError as error:
        one_sentence(error)
        return None
    assert len(config_hash(made)) == 16
    return made


def is_count(value):
    return type(value) is int and 1 <= value < 2**31


# --- every field of the classes that recorded runs keep -------------------------------------------


def test_every_field_has_a_domain():
    assert set(domains.CLIP) == {f.name for f in fields(ClipSpec)}
    assert set(domains.DATA) == {f.name for f in fields(DataSpec)}


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([f.name for f in fields(DataSpec)]), VALUES)
def test_any_amount_of_embedded_data_is_a_right_one_or_one_sentence(name, value):
    data = replace(CONFIG.data, **{name: value})
    made = right_or_one_sentence(lambda: replace(CONFIG, data=data))
    even = name != "size" or (is_count(value) and value % 2 == 0 and value <= 4096)
    assert (made is not None) == (is_count(value) and even)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from([f.name for f in fields(ClipSpec)]), VALUES)
def test_any_way_to_read_clips_is_a_right_one_or_one_sentence(name, value):
    try:
        clip = replace(WINDOW, **{name: value})
    except (ConfigError, TypeError, ValueError):  # the class itself refuses it
        return
    made = right_or_one_sentence(lambda: reading(clip))
    if name in ("frames", "stride", "short_side", "min_frames") and value is not None:
        assert (made is not None) == is_count(value)
    if name == "fps" and value is not None:
        assert made is None  # beside a stride, or no rate


@pytest.mark.parametrize(
    "name, value, allowed",
    [
        ("stride", 0, "a whole number from 1"),
        ("stride", -2, "a whole number from 1"),
        ("stride", math.nan, "a whole number from 1"),
        ("fps", math.inf, "a finite number above 0"),
        ("fps", math.nan, "a finite number above 0"),
        ("fps", -1.0, "a finite number above 0"),
        ("short_side", 0, "a whole number from 1"),
        ("min_frames", -1, "a whole number from 1"),
        ("frames", 8.5, "a whole number from 1"),
        ("size", (32, math.inf), "2 values, each a whole number"),
    ],
)
def test_a_clip_outside_its_domain_is_refused_where_a_run_is_made(name, value, allowed):
    other = {"stride": None} if name == "fps" else {}
    clip = replace(WINDOW, **other, **{name: value})
    with pytest.raises(ConfigError) as error:
        reading(clip)
    assert one_sentence(error).startswith(f"{name} is ") and allowed in str(error.value)


@pytest.mark.parametrize(
    "field, value, says",
    [
        ("pretrain", 0, "pretrain is 0: it must be a whole number from 1"),
        ("train", -5, "train is -5"),
        ("test", math.nan, "test is nan"),
        ("size", 33, "size is 33: videos need an even number"),
        ("size", 2**20, "from 2 to 4096"),
        ("frames", 0, "frames is 0"),
        ("frames", 4, "data of 4 frames, .* and an encoder for 8 frames"),
        ("size", 64, "clips of 64 px, and an encoder for 8 frames of 32 x 32"),
    ],
)
def test_a_profile_refuses_data_that_cannot_be_rendered_or_read(field, value, says):
    profile = study.get_profile("smoke")
    with pytest.raises(ConfigError, match=says) as error:
        replace(profile, data=replace(profile.data, **{field: value}))
    one_sentence(error)


@pytest.mark.parametrize("door", ["profile", "run"])
def test_every_door_of_embedded_data_is_watched(door):
    data = DataSpec(pretrain=-1)
    with pytest.raises(ConfigError, match="pretrain is -1"):
        if door == "profile":
            replace(study.get_profile("smoke"), data=data)
        else:
            replace(CONFIG, data=data)


# --- variants -------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(VALUES)
def test_any_weight_of_a_variant_is_finite_and_above_0_or_one_sentence(weight):
    made = right_or_one_sentence(lambda: study.Variant("mine", "mixed", (("hw", weight, {}),)))
    number = isinstance(weight, (int, float)) and not isinstance(weight, bool)
    assert (made is not None) == (number and 0 < weight <= 1e38)


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(["name", "regime", "terms", "masking", "ema", "family"]), VALUES)
def test_any_field_of_a_variant_is_a_right_one_or_one_sentence(name, value):
    row = study.Variant("mine", "mixed", (("hw", 0.5, {}),))
    right_or_one_sentence(lambda: replace(row, **{name: value}))


@pytest.mark.parametrize(
    "term, says",
    [
        (("hw", math.nan, {}), "The weight of hw in the variant mine is nan: it must be a finite"),
        (("hw", 0.0, {}), "The weight of hw in the variant mine is 0.0"),
        (("hw", -1, {}), "The weight of hw in the variant mine is -1"),
        (("hw", True, {}), "The weight of hw in the variant mine is True"),
        (("hw", 1.0), r"write \(name, weight, options\)"),
        (("hw", 1.0, {"hidden": math.inf}), "The option hidden of hw in the variant mine is inf"),
        (("hw", 1.0, {"sizes": (1, math.nan)}), "The option sizes of hw in the variant mine"),
        ("hw", r"write \(name, weight, options\)"),
    ],
)
def test_a_term_outside_its_domain_is_named(term, says):
    with pytest.raises(ConfigError, match=says) as error:
        study.Variant("mine", "mixed", (term,))
    one_sentence(error)


def test_a_readers_file_with_a_wrong_weight_is_told_with_its_name(tmp_path, monkeypatch, capsys):
    import vjepa_lib.__main__ as lab

    monkeypatch.setenv("VJEPA_WITH", "")
    own = tmp_path / "mine.py"
    own.write_text(
        "from vjepa_lib import study\n"
        "study.add_variant(study.Variant('mine', 'mixed', (('hw', float('nan'), {}),)))\n"
    )
    assert lab.main(["list", "--with", str(own)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "The weight of hw in the variant mine is nan" in told


# --- steps ----------------------------------------------------------------------------------------


def test_a_training_of_no_steps_is_refused_where_settings_enter(tmp_path):
    with pytest.raises(ConfigError) as error:
        override(Settings(), {"schedule": {"steps": 0}}, "paper.toml")
    assert one_sentence(error).startswith("paper.toml, [schedule]: steps is 0: it must be a whole")
    usual = Settings()
    with pytest.raises(ConfigError, match="steps is 0: it must be a whole number from 1"):
        replace(usual, schedule=replace(usual.schedule, steps=0))
    profile = study.get_profile("smoke")
    with pytest.raises(ConfigError, match="steps is 0"):
        replace(profile, schedule=replace(profile.schedule, steps=0))
    # The untrained encoder is a reference of its own, and has none.
    assert study.resolve("random_init", profile="smoke").train.schedule.steps == 0
