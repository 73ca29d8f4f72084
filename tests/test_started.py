"""Training that begins at given weights: of our own runs, of released ones, of another geometry."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_lab import make_lab

from vjepa_lib import paper
from vjepa_lib.errors import ConfigError, DataError
from vjepa_lib.export import export
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig, Predictor
from vjepa_lib.paper import Settings, load_settings, training_run
from vjepa_lib.paper.__main__ import main
from vjepa_lib.paper.started import begin, beginning
from vjepa_lib.study.store import config_hash
from vjepa_lib.training.trainer import Trainer

SMALL = EncoderConfig(
    height=32, width_px=32, frames=8, patch=8, width=24, depth=2, heads=2, levels=(1, 2),
    init_std=0.06,
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return make_lab(tmp_path_factory.mktemp("lab"), ("ucf101",))


@pytest.fixture
def settings(lab, tmp_path):
    return replace(load_settings(lab), runs=tmp_path / "runs")


def checkpoint(folder, cfg, predictor, seed=5):
    """A checkpoint of the repository, as our export and its own names have it."""
    torch.manual_seed(seed)
    from vjepa_lib.model.export import repository_state

    encoder, network = Encoder(cfg), Predictor(cfg, predictor)
    with torch.no_grad():
        for p in (*encoder.parameters(), *network.parameters()):
            p.add_(0.1 * torch.randn_like(p))
    state = {}
    for name, value in network.state_dict().items():
        if name == "mask_tokens":
            state |= {f"mask_tokens.{i}": v[None, None].clone() for i, v in enumerate(value)}
            continue
        if name.startswith("modality."):
            name, value = (
                {"video": "video_mod_embed", "image": "img_mod_embed"}[
                    name.removeprefix("modality.")
                ],
                value[None, None],
            )
        elif name.startswith("blocks."):
            for a, b in (("qkv", "attn"), ("proj", "attn"), ("fc1", "mlp"), ("fc2", "mlp")):
                name = name.replace(f".{a}.", f".{b}.{a}.")
            name = f"predictor_{name}"
        else:
            for ours, theirs in (("head_context.", "proj_context."), ("head.", "proj.")):
                name = theirs + name[len(ours) :] if name.startswith(ours) else name
            name = f"predictor_{name}"
        state[name] = value.clone()
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps({"num_attention_heads": cfg.heads}))
    both = {"target_encoder": repository_state(encoder), "predictor": state}
    torch.save(both, folder / "weights.pt")
    return folder / "weights.pt", encoder, network


def equal(one, two):
    a, b = one.state_dict(), two.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def test_encoders_and_predictor_begin_at_the_checkpoint(settings, tmp_path):
    path, encoder, predictor = checkpoint(tmp_path / "given", SMALL, settings.predictor)
    at = beginning(replace(settings, init=path))
    assert at.predictor and at.encoder == replace(settings.model)
    trainer = Trainer(training_run(settings, "ucf_baseline", seed=3).train)
    assert not equal(trainer.context_encoder, encoder)
    begin(trainer, path, at.predictor)
    assert equal(trainer.context_encoder, encoder) and equal(trainer.target_encoder, encoder)
    assert equal(trainer.predictor, predictor)


def test_training_goes_on_from_there_and_not_from_random_weights(settings, lab, tmp_path, capsys):
    """One key in paper.toml, one command; with next to no learning rate the weights stay."""
    path, encoder, _ = checkpoint(tmp_path / "given", SMALL, settings.predictor)
    text = lab.read_text().replace('runs = "runs"', f'runs = "{tmp_path / "runs"}"\n'
                                   f'init = "{path}"')  # fmt: skip
    config = lab.parent / "continued.toml"
    config.write_text(text.replace("[schedule]", "[schedule]\nlr = 1e-9\nlr_start = 1e-9"))
    command = ["train", "--config", str(config), "--variant", "ucf_baseline", "--seed", "3"]
    assert main(command) == 0, capsys.readouterr().err
    s = load_settings(config)
    run = training_run(s, "ucf_baseline", seed=3)
    kept = s.store.load(run)
    assert kept.config["init"] == run.init and kept.config["init_predictor"] is True
    assert len(kept.curves) == s.schedule.steps and np.isfinite(kept.curves.total).all()
    trained, begun = load_file(kept.path / "encoder.safetensors"), encoder.state_dict()
    assert all((trained[k] - begun[k]).abs().max() < 1e-6 for k in begun)
    assert "random weights" not in capsys.readouterr().err


def test_a_stopped_run_is_not_begun_again(settings, tmp_path):
    """The checkpoint of step 0 never replaces a later one."""
    from vjepa_lib.paper.started import write_beginning

    path, _, _ = checkpoint(tmp_path / "given", SMALL, settings.predictor)
    setup = training_run(settings, "ucf_baseline", seed=3).train
    file = tmp_path / "checkpoint.pt"
    write_beginning(setup, path, True, file)
    assert torch.load(file, weights_only=True)["trainer"]["step"] == 0
    file.write_bytes(b"later")
    write_beginning(setup, path, True, file)
    assert file.read_bytes() == b"later"


def test_the_hash_holds_the_weights(settings, tmp_path):
    one, *_ = checkpoint(tmp_path / "one", SMALL, settings.predictor)
    same, *_ = checkpoint(tmp_path / "same", SMALL, settings.predictor)
    other, *_ = checkpoint(tmp_path / "other", SMALL, settings.predictor, seed=6)
    hashes = [
        config_hash(training_run(replace(settings, init=path), "ucf_baseline"))
        for path in (None, one, same, other)
    ]
    assert hashes[1] == hashes[2] and len(set(hashes)) == 3


def test_a_geometry_of_its_own_is_taken_over(settings, tmp_path, capsys):
    """V-JEPA 2: one level, other rotary positions, no predictor of these sizes."""
    cfg = replace(SMALL, width=36, heads=3, levels=(2,), **V_JEPA_2)
    path, *_ = checkpoint(tmp_path / "old", cfg, settings.predictor)
    usual = replace(settings, init=path, model=replace(
        settings.model, width=768, depth=12, heads=12, patch=16, levels=(3, 6, 9, 12)))  # fmt: skip
    usual = replace(usual, predictor=replace(settings.predictor, depth=2))
    run = training_run(usual, "fwm_hw_ld", "described", seed=3, regime="ucf101")
    assert (run.train.encoder.width, run.train.encoder.levels) == (36, (2,))
    assert run.train.encoder.rope_pairing == "tiled" and not run.init_predictor
    paper.train(usual, run, progress=False)
    assert "predictor begins at random weights" in capsys.readouterr().err
    kept = usual.store.load(run)
    assert kept.config["init"] and np.isfinite(kept.curves.total).all()


def test_a_predictor_of_v_jepa_2_fits_where_docs_say(settings, tmp_path):
    cfg = replace(SMALL, levels=(2,), **V_JEPA_2)
    sizes = replace(settings.predictor, mask_groups=10, predict_context=False)
    path, _, predictor = checkpoint(tmp_path / "old", cfg, sizes)
    usual = Settings().model  # as in a file that leaves these keys out
    model = replace(settings.model, levels=usual.levels, depth=usual.depth)
    schedule = replace(settings.schedule, context_weight=0.0)
    s = replace(settings, init=path, model=model, predictor=sizes, schedule=schedule)
    run = training_run(s, "vclr", seed=3, regime="ucf101")
    assert run.init_predictor and run.train.encoder.levels == (2,)
    paper.train(s, run, progress=False)
    assert np.isfinite(s.store.load(run).curves.total).all()
    trainer = Trainer(run.train)
    begin(trainer, path, True)
    assert equal(trainer.predictor, predictor)


def test_our_own_runs_and_their_exports_can_be_gone_on_from(settings, tmp_path):
    first = training_run(settings, "ucf_baseline", seed=3)
    folder = paper.train(settings, first, progress=False)
    given = export(folder, tmp_path / "given")
    for path in (folder, given):
        s = replace(settings, init=path)
        trainer = Trainer(training_run(s, "ucf_baseline", seed=3).train)
        begin(trainer, path, False)
        kept = load_file(folder / "encoder.safetensors")
        now = trainer.target_encoder.state_dict()
        assert all(torch.equal(now[k], kept[k]) for k in kept)
        assert "its encoder alone" in beginning(s).why_not or path == given


def test_mistakes_are_one_sentence(settings, tmp_path):
    path, *_ = checkpoint(tmp_path / "given", replace(SMALL, width=48), settings.predictor)
    with pytest.raises(ConfigError, match=r"\[model\] says width = 24, but .* has 48: leave width"):
        training_run(replace(settings, init=path), "ucf_baseline")
    with pytest.raises(DataError, match="correct `init`"):
        training_run(replace(settings, init=tmp_path / "none.pt"), "ucf_baseline")
    fits, *_ = checkpoint(tmp_path / "fits", SMALL, settings.predictor)
    run = training_run(replace(settings, init=fits), "ucf_baseline")
    with pytest.raises(ConfigError, match="other weights than this run begins at"):
        paper.train(settings, run, progress=False)


def test_the_table_sets_no_published_number_beside_it(settings, tmp_path):
    path, *_ = checkpoint(tmp_path / "given", SMALL, settings.predictor)
    s = replace(settings, init=path, variants=("ucf_baseline",))
    s = replace(s, probes=replace(s.probes, epochs=1, linear_epochs=1))
    run = training_run(s, "ucf_baseline", seed=3)
    paper.train(s, run, progress=False)
    paper.probe(s, run, progress=False)
    from vjepa_lib.paper.tables import table

    done = table(s)
    assert set(done["init"]) == {run.init[:8]} and done["published"].isna().all()


def test_a_kept_predictor_is_gone_on_from(settings, tmp_path, capsys):
    """From the run, from its export as a folder and as the repository's file: both networks."""
    kept = replace(settings, keep_predictor=True)
    run = training_run(kept, "ucf_baseline", seed=3)
    assert config_hash(run) == config_hash(training_run(settings, "ucf_baseline", seed=3))
    folder = paper.train(kept, run, progress=False)
    own = {n: load_file(folder / f"{n}.safetensors") for n in ("encoder", "predictor")}
    given = export(folder, tmp_path / "given")
    fresh = Trainer(run.train).predictor.state_dict()
    assert any(not torch.equal(fresh[k], v) for k, v in own["predictor"].items())
    for path in (folder, folder / "encoder.safetensors", given, given / "checkpoint.pt"):
        s = replace(settings, init=path)
        at = beginning(s)
        assert at.predictor, at.why_not
        trainer = Trainer(training_run(s, "ucf_baseline", seed=3).train)
        begin(trainer, path, at.predictor)
        for name, network in (("encoder", trainer.context_encoder),
                              ("encoder", trainer.target_encoder),
                              ("predictor", trainer.predictor)):  # fmt: skip
            now = network.state_dict()
            assert all((now[k] - v).abs().max() <= 1e-6 for k, v in own[name].items())
    # Another predictor under the same encoder is another beginning.
    digests = [beginning(replace(settings, init=p)).digest for p in (folder, given)]
    (folder / "predictor.safetensors").unlink()
    assert beginning(replace(settings, init=folder)).digest not in digests


def test_a_run_without_its_predictor_says_how_to_have_one(settings, capsys):
    run = training_run(settings, "ucf_baseline", seed=3)
    folder = paper.train(settings, run, progress=False)
    assert not (folder / "predictor.safetensors").exists() and not capsys.readouterr().err
    paper.train(replace(settings, keep_predictor=True), run, progress=False)
    told = capsys.readouterr().err
    assert "delete this folder to train it again" in told and told.count("\n") == 1


def test_a_predictor_of_other_heads_is_not_taken(settings, tmp_path):
    """Heads do not show in weights: taken as they are, they would compute something else."""
    kept = replace(settings, keep_predictor=True)
    folder = paper.train(kept, training_run(kept, "ucf_baseline", seed=3), progress=False)
    given = export(folder, tmp_path / "given")
    for path in (folder, given, given / "checkpoint.pt"):
        other = replace(settings, init=path, predictor=replace(settings.predictor, heads=4))
        assert "[predictor] says heads = 4, but the predictor of" in beginning(other).why_not
        assert not training_run(other, "ucf_baseline").init_predictor
