"""Encoders in other layouts: a round trip gives the same tokens, and cards say what they are."""

import json
from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from vjepa_lib.export import export, main
from vjepa_lib.model import open_encoder
from vjepa_lib.model.checkpoints import load_predictor
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig, Predictor, PredictorConfig
from vjepa_lib.study.store import plain

NEW = EncoderConfig(
    height=24, width_px=24, frames=4, patch=8, width=24, depth=4, heads=2, levels=(2, 4)
)
OLD = replace(NEW, levels=(4,), **V_JEPA_2)
PREDICTOR = PredictorConfig(12, 2, 2)
HASH = "0123456789abcdef"


@pytest.fixture
def make_run(tmp_path):
    """Write a run's folder with lively weights; (folder, encoder)."""

    def make(cfg, **more):
        torch.manual_seed(0)
        encoder, folder = Encoder(cfg), tmp_path / "store" / HASH
        with torch.no_grad():
            for p in encoder.parameters():
                p.add_(0.2 * torch.randn_like(p))
        folder.mkdir(parents=True)
        save_file(encoder.state_dict(), folder / "encoder.safetensors")
        terms = [{"name": "jepa", "weight": 1.0, "form": "released"},
                 {"name": "vclr", "weight": 0.25, "form": "described"}]  # fmt: skip
        config = {
            "variant": "vclr", "form": "described", "regime": "mixed", "profile": "mini", "seed": 4,
            "data": {"frames": 4}, "data_key": "c4182ba63a62",
            "train": {"encoder": plain(cfg), "terms": terms, "schedule": {"steps": 7, "batch": 3}},
        }  # fmt: skip
        (folder / "config.json").write_text(json.dumps(config | more))
        facts = {"hash": HASH, "commit": "abc123", "date": "2026-01-02"}
        (folder / "provenance.json").write_text(json.dumps(facts))
        (folder / "metrics.csv").write_text(
            "benchmark,probe,top1,n_test\nfine_motion,linear,61.25,48\nactions,leakage,47,48\n"
        )
        return folder, encoder.eval()

    return make


def clips(cfg):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(2, 3, cfg.frames, cfg.height, cfg.width_px, generator=generator)


@pytest.mark.parametrize(
    "cfg, levels",
    [
        (NEW, True),
        (replace(NEW, rope_reference=None), True),  # as the embedded profiles
        (replace(NEW, levels=(4,), modality_embedding=False), True),
        (replace(NEW, image_patches=True), True),
        (OLD, True),
        (replace(OLD, levels=(1, 4), modality_embedding=True), False),  # the last level stays
        (replace(OLD, rope_reference=3), False),  # a grid of 3 x 3: as if there were none
    ],
)
def test_the_repositorys_layout_comes_back(make_run, tmp_path, cfg, levels):
    folder, encoder = make_run(cfg)
    out = export(folder, tmp_path / "out")
    for source in (out, out / "checkpoint.pt"):
        back, loaded = open_encoder(source, 24, 4)
        assert loaded.unused == ()
        with torch.no_grad():
            x = clips(cfg)
            torch.testing.assert_close(
                back(x, levels=levels), encoder(x, levels=levels), atol=1e-6, rtol=0
            )


@pytest.mark.parametrize(
    "cfg", [OLD, replace(OLD, levels=(1, 4), modality_embedding=True, rope_reference=3)]
)
def test_hugging_faces_layout_comes_back(make_run, tmp_path, cfg):
    """By transformers' own model and by our loader."""
    from transformers import VJEPA2Model

    folder, encoder = make_run(cfg)
    out = export(folder, tmp_path / "out", "huggingface")
    # In float64, so that what is left of a difference is not the order of sums.
    theirs = VJEPA2Model.from_pretrained(out).eval().double()
    back, _ = open_encoder(out, 24, 4)
    x = clips(cfg)
    with torch.no_grad():
        torch.testing.assert_close(
            back(x, levels=False), encoder(x, levels=False), atol=1e-6, rtol=0
        )
        want = encoder.double()(x.double(), levels=False)
        got = theirs(x.double().transpose(1, 2), skip_predictor=True).last_hidden_state
    torch.testing.assert_close(got, want, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    "cfg, layout, says",
    [
        (NEW, "huggingface", "rotary positions pair channels otherwise"),
        (replace(OLD, width_px=32), "huggingface", "takes squares"),
        (replace(OLD, rope_reference=16), "huggingface", "does not spread positions over 16"),
        (replace(OLD, rope_reference=16), "vjepa2", "does not spread positions over 16"),
        (replace(NEW, rope_reference=12), "vjepa2", "rope_reference = 16"),
        (replace(NEW, levels=(1, 4)), "vjepa2", "levels lie at even parts"),
    ],
)
def test_where_the_geometry_does_not_allow_one_sentence_says_why(
    make_run, tmp_path, capsys, cfg, layout, says
):
    folder, _ = make_run(cfg)
    assert main([str(folder), str(tmp_path / "out"), "--layout", layout]) == 2
    told = capsys.readouterr().err
    assert says in told and told.count("\n") == 1 and not (tmp_path / "out").exists()


def test_the_card_is_filled_in(make_run, tmp_path):
    folder, encoder = make_run(NEW)
    card = (export(folder, tmp_path / "out") / "README.md").read_text()
    size = sum(p.numel() for p in encoder.parameters())
    for fact in (
        "license: mit", "# vclr (described), seed 4", f"{size:,} parameters",
        "4 blocks of width 24",
        "- `vclr`, weight 0.25, described", "7 steps of 3 clips", "regime mixed", "c4182ba63a62",
        "| fine_motion | linear | 61.2 | 48 |", f"run `{HASH}`", "abc123",
    ):  # fmt: skip
        assert fact in card, fact
    assert "leakage" not in card


def test_the_card_of_a_labs_own_data_has_its_readings_and_their_terms(make_run, tmp_path):
    used = [{"name": "ssv2", "weight": 0.6, "clips": 12, "rows": "feed"}]
    folder, _ = make_run(NEW, profile="paper", data=used, init="beef")
    for name, encoder in (("one", HASH), ("two", "another")):
        (folder.parent / name).mkdir()
        config = {"kind": "probe", "encoder": encoder}
        (folder.parent / name / "config.json").write_text(json.dumps(config))
        (folder.parent / name / "metrics.csv").write_text(
            f"benchmark,probe,top1,n_test\n{name},attentive,50,9\n"
        )
    card = (export(folder, tmp_path / "out") / "README.md").read_text()
    for fact in ("license: other", "- ssv2: share 0.6, 12 clips, rows `feed`", "`beef`",
                 "| one | attentive | 50.0 | 9 |", "terms of the released weights"):  # fmt: skip
        assert fact in card, fact
    assert "| two |" not in card and "fine_motion" not in card


def test_a_run_is_found_by_its_hash(make_run, tmp_path, monkeypatch, capsys):
    folder, _ = make_run(NEW)
    monkeypatch.setenv("VJEPA_RUNS", str(folder.parent))
    assert main([HASH, str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "out")
    assert main(["fedcba9876543210", str(tmp_path / "more")]) == 2
    assert "name its folder" in capsys.readouterr().err


def test_nothing_is_overwritten_and_nothing_half_written(make_run, tmp_path, capsys):
    folder, _ = make_run(NEW)
    full = tmp_path / "full"
    full.mkdir()
    (full / "mine.txt").write_text("x")
    (tmp_path / "file").write_text("x")
    for out, says in ((full, "not empty"), (tmp_path / "file" / "below", "cannot be written")):
        assert main([str(folder), str(out)]) == 2
        told = capsys.readouterr().err
        assert says in told and told.count("\n") == 1
    assert [p.name for p in full.iterdir()] == ["mine.txt"]
    assert not list(tmp_path.glob(".*part"))


# --- the predictor ------------------------------------------------------------------------------


def keep_predictor(folder, cfg, sizes=PREDICTOR):
    """Put a lively predictor into a run's folder."""
    torch.manual_seed(3)
    predictor = Predictor(cfg, sizes)
    with torch.no_grad():
        for p in predictor.parameters():
            p.add_(0.2 * torch.randn_like(p))
    save_file(predictor.state_dict(), folder / "predictor.safetensors")
    config = json.loads((folder / "config.json").read_text())
    config["train"]["predictor"] = plain(sizes)
    (folder / "config.json").write_text(json.dumps(config))
    return predictor.eval()


@pytest.mark.parametrize(
    "cfg",
    [
        NEW,
        replace(NEW, levels=(4,), modality_embedding=False),
        OLD,
        replace(OLD, modality_embedding=True),  # its vector moves into bias and mask tokens
    ],
)
def test_the_predictor_comes_back(make_run, tmp_path, cfg):
    folder, _ = make_run(cfg)
    # In float64, so that what is left of a difference is not the order of sums.
    predictor = keep_predictor(folder, cfg).double()
    out = export(folder, tmp_path / "out")
    order = torch.randperm(cfg.grid.n, generator=torch.Generator().manual_seed(4))
    context, target = order[None, :7].repeat(2, 1), order[None, 7:12].repeat(2, 1)
    z = torch.randn(2, 7, len(cfg.levels) * cfg.width, generator=torch.Generator().manual_seed(5))
    z = z.double()
    old = cfg.rope_pairing == "tiled"
    for source in (out, out / "checkpoint.pt"):
        back = Predictor(replace(cfg, modality_embedding=not old and cfg.modality_embedding),
                         PREDICTOR).eval()  # fmt: skip
        assert load_predictor(back, source).unused == ()
        back = back.double()
        with torch.no_grad():
            for group in (0, 1):
                want = predictor(z, context, target, group)
                for a, b in zip(back(z, context, target, group), want, strict=True):
                    torch.testing.assert_close(a, b, atol=1e-6, rtol=0)
    kinds = torch.load(out / "checkpoint.pt", weights_only=True)
    assert set(kinds) == {"target_encoder", "predictor"}
    assert all(k.startswith("module.backbone.") for k in kinds["predictor"])
    sizes = json.loads((out / "config.json").read_text())
    assert (sizes["pred_num_attention_heads"], sizes["pred_num_mask_tokens"]) == (2, 2)


def test_the_card_says_whether_there_is_a_predictor(make_run, tmp_path):
    folder, _ = make_run(OLD)
    alone = (export(folder, tmp_path / "alone") / "README.md").read_text()
    assert "There is no predictor in it: the run kept its encoder alone." in alone
    assert not (tmp_path / "alone" / "predictor.safetensors").exists()
    keep_predictor(folder, OLD)
    both = (export(folder, tmp_path / "both") / "README.md").read_text()
    assert "The predictor is in it" in both and "encoder alone" not in both
    hugging = export(folder, tmp_path / "hugging", "huggingface")
    assert "There is no predictor in it:" in (hugging / "README.md").read_text()
    assert not (hugging / "predictor.safetensors").exists()


def test_a_predictor_that_has_no_place_is_left_out_and_told(make_run, tmp_path):
    cfg = replace(OLD, levels=(2, 4))
    folder, _ = make_run(cfg)
    keep_predictor(folder, cfg)
    out = export(folder, tmp_path / "out")
    card = (out / "README.md").read_text()
    assert "reads one level, this one 2" in card and not (out / "predictor.safetensors").exists()


@pytest.mark.parametrize("spoil", ["bytes", "sizes", "none"])
def test_a_damaged_predictor_is_one_sentence(make_run, tmp_path, capsys, spoil):
    folder, _ = make_run(NEW)
    keep_predictor(folder, NEW)
    config = json.loads((folder / "config.json").read_text())
    if spoil == "bytes":
        (folder / "predictor.safetensors").write_bytes(b"x" * 40)
    else:
        config["train"]["predictor"] = {"depth": 3, "width": 12, "heads": 2}
        if spoil == "none":
            del config["train"]["predictor"]
        (folder / "config.json").write_text(json.dumps(config))
    assert main([str(folder), str(tmp_path / "out")]) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and told.count("\n") == 1 and not (tmp_path / "out").exists()
