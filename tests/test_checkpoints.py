"""Official weights: held to `transformers`' V-JEPA 2, and every way a file can be wrong."""

from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file

from vjepa_lib.errors import CompanionError, ConfigError, DataError
from vjepa_lib.model.checkpoint_files import networks, read_checkpoint
from vjepa_lib.model.checkpoints import load_encoder, load_predictor
from vjepa_lib.model.vit import V_JEPA_2, Encoder, EncoderConfig, Predictor, PredictorConfig

# 2 x 3 x 3 tokens; 16 channels a head in the encoder, 12 in the predictor.
GEOMETRY = {"height": 24, "width_px": 24, "frames": 4, "patch": 8, "width": 32, "heads": 2}
OLD = EncoderConfig(**GEOMETRY, depth=3, levels=(3,), **V_JEPA_2)
OLD_PREDICTOR = PredictorConfig(24, 2, 2, mask_groups=3, predict_context=False)
NEW = EncoderConfig(**GEOMETRY, depth=4, levels=(1, 2, 3, 4), image_patches=True)
NEW_PREDICTOR = PredictorConfig(24, 2, 2)
N = OLD.grid.n


def lively(module, seed=7):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return module.eval()


# transformers is loaded where it is used: it takes seconds, and every worker reads this file.


def hf_config():
    from transformers import VJEPA2Config

    return VJEPA2Config(
        crop_size=24,
        patch_size=8,
        frames_per_clip=4,
        tubelet_size=2,
        hidden_size=32,
        num_attention_heads=2,
        num_hidden_layers=3,
        pred_hidden_size=24,
        pred_num_attention_heads=2,
        pred_num_hidden_layers=2,
        pred_num_mask_tokens=3,
    )


def hf_model():
    from transformers import VJEPA2Model

    return lively(VJEPA2Model(hf_config()))


@pytest.fixture(scope="module")
def theirs():
    torch.manual_seed(0)
    return hf_model()


@pytest.fixture
def clip():
    return torch.randn(2, 3, 4, 24, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def masks():
    order = torch.stack(
        [torch.randperm(N, generator=torch.Generator().manual_seed(s)) for s in (2, 3)]
    )
    return order[:, :7].sort().values, order[:, 7:12].sort().values


def repository_names(encoder, predictor):
    """State dictionaries as the vjepa2 repository writes them (2.1, distributed training)."""

    def block(name):
        for part in ("qkv", "proj"):
            name = name.replace(f".{part}.", f".attn.{part}.")
        for part in ("fc1", "fc2"):
            name = name.replace(f".{part}.", f".mlp.{part}.")
        return name

    modality = {"modality.video": "video_mod_embed", "modality.image": "img_mod_embed"}
    enc, pred = {}, {}
    for name, value in encoder.state_dict().items():
        if name.startswith("blocks."):
            name = block(name)
        elif name in ("patch_embed.weight", "patch_embed_image.weight"):
            value = value.view(len(value), 3, -1, encoder.cfg.patch, encoder.cfg.patch)
        elif name in modality:
            name, value = modality[name], value[None, None]
        name = name.replace("patch_embed_image.", "patch_embed_img.proj.")
        name = name.replace("patch_embed.", "patch_embed.proj.").replace("norms.", "norms_block.")
        enc["module.backbone." + name] = value
    for name, value in predictor.state_dict().items():
        if name == "mask_tokens":
            for i, token in enumerate(value):
                pred[f"module.backbone.mask_tokens.{i}"] = token[None, None]
            continue
        if name.startswith("blocks."):
            name = "predictor_" + block(name)
        elif name in modality:
            name, value = modality[name], value[None, None]
        elif name.startswith("head_context."):
            name = name.replace("head_context.", "predictor_proj_context.")
        elif name.startswith("head."):
            name = name.replace("head.", "predictor_proj.")
        else:
            name = "predictor_" + name
        pred["module.backbone." + name] = value
    return enc, pred


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    """A training checkpoint of the repository: file, its target encoder and its predictor."""
    torch.manual_seed(0)
    target, online = lively(Encoder(NEW)), lively(Encoder(NEW), 8)
    predictor = lively(Predictor(NEW, NEW_PREDICTOR))
    enc, pred = repository_names(target, predictor)
    optimizer = torch.optim.AdamW(predictor.parameters())
    path = tmp_path_factory.mktemp("released") / "latest.pth.tar"
    torch.save(
        {
            "encoder": repository_names(online, predictor)[0],
            "target_encoder": enc,
            "predictor": pred,
            "opt": optimizer.state_dict(),
            "scaler": None,
            "epoch": 3,
            "loss": 0.5,
        },
        path,
    )
    return path, target, online, predictor


def same(a, b):
    return all(torch.equal(v, b.state_dict()[k]) for k, v in a.state_dict().items())


# --- Hugging Face -----------------------------------------------------------------------------


def test_our_encoder_is_transformers_vjepa2(theirs, clip):
    ours = Encoder(OLD)
    loaded = load_encoder(ours, theirs.state_dict())
    assert (loaded.part, loaded.version, loaded.unused) == ("encoder", "V-JEPA 2", ())
    with torch.no_grad():
        want = theirs(clip.transpose(1, 2), skip_predictor=True).last_hidden_state
        got = ours(clip)
    assert got.shape == want.shape and torch.allclose(got, want, atol=1e-5)
    # The other pairing of channels is another network.
    other = Encoder(replace(OLD, rope_pairing="interleaved"))
    other.load_state_dict(ours.state_dict())
    with torch.no_grad():
        assert not torch.allclose(other(clip), want, atol=1e-2)


def test_our_predictor_is_transformers_vjepa2(theirs, clip, masks):
    context, target = masks
    encoder, predictor = Encoder(OLD), Predictor(OLD, OLD_PREDICTOR)
    load_encoder(encoder, theirs.state_dict())
    assert load_predictor(predictor, theirs.state_dict()).version == "V-JEPA 2"
    with torch.no_grad():
        out = theirs(clip.transpose(1, 2), context_mask=[context], target_mask=[target])
        z = encoder(clip).gather(1, context[..., None].expand(-1, -1, 32))
        # transformers always takes mask token 1.
        got, nothing = predictor(z, context, target, group=1)
        other, _ = predictor(z, context, target, group=0)
    want = out.predictor_output.last_hidden_state
    assert nothing is None and torch.allclose(got, want, atol=1e-5)
    assert not torch.allclose(other, want, atol=1e-2)


@pytest.mark.parametrize("shards", ["5GB", "20KB"])
def test_model_folder(theirs, tmp_path, shards):
    theirs.save_pretrained(tmp_path, max_shard_size=shards)
    assert (len(list(tmp_path.glob("*.safetensors"))) > 1) == (shards == "20KB")
    from_folder, from_memory = Encoder(OLD), Encoder(OLD)
    load_encoder(from_folder, tmp_path)
    load_encoder(from_memory, theirs.state_dict())
    assert same(from_folder, from_memory)


def test_classifier_with_the_model_inside(tmp_path):
    from transformers import VJEPA2ForVideoClassification

    torch.manual_seed(0)
    classifier = lively(VJEPA2ForVideoClassification(hf_config()))
    torch.save(classifier.state_dict(), tmp_path / "pytorch_model.bin")
    inside, direct = Predictor(OLD, OLD_PREDICTOR), Predictor(OLD, OLD_PREDICTOR)
    load_predictor(inside, tmp_path)
    load_predictor(direct, classifier.vjepa2.state_dict())
    assert same(inside, direct)


# --- the vjepa2 repository --------------------------------------------------------------------


def test_training_checkpoint_of_the_repository(released):
    path, target, online, predictor = released
    encoder = Encoder(NEW)
    loaded = load_encoder(encoder, path)
    assert (loaded.part, loaded.version) == ("target_encoder", "V-JEPA 2.1")
    assert same(encoder, target)
    assert load_encoder(encoder, path, "encoder").part == "encoder"
    assert same(encoder, online)
    ours = Predictor(NEW, NEW_PREDICTOR)
    assert load_predictor(ours, path).version == "V-JEPA 2.1"
    assert same(ours, predictor)


def test_what_a_network_does_not_need_is_left_and_named(released, clip):
    path, target, _, _ = released
    last = Encoder(replace(NEW, levels=(4,), image_patches=False))
    loaded = load_encoder(last, path)
    norms = [f"norms.unused.{level}.{kind}" for level in (1, 2, 3) for kind in ("bias", "weight")]
    assert loaded.unused == (*norms, "patch_embed_image.bias", "patch_embed_image.weight")
    with torch.no_grad():
        assert torch.equal(last(clip), target(clip, levels=False))
    bare = Predictor(NEW, replace(NEW_PREDICTOR, predict_context=False))
    assert load_predictor(bare, path).unused == ("head_context.bias", "head_context.weight")


def test_norms_belong_to_the_quarters_of_the_official_depths():
    from vjepa_lib.model.checkpoints import even_levels

    assert [even_levels(d, 4) for d in (12, 24, 40, 48)] == [
        [3, 6, 9, 12],
        [6, 12, 18, 24],
        [10, 20, 30, 40],
        [12, 24, 38, 48],
    ]


def test_download_of_the_repository(released, theirs, tmp_path):
    """`ema_encoder`, half precision, stale sine positions, other wrappers, V-JEPA 2's one norm."""
    state = read_checkpoint(released[0])["target_encoder"]
    half = {"_orig_mod.module." + k: v.bfloat16() for k, v in state.items()}
    torch.save({"ema_encoder": half}, tmp_path / "a.pt", _use_new_zipfile_serialization=False)
    encoder = Encoder(NEW)
    assert load_encoder(encoder, tmp_path / "a.pt").part == "ema_encoder"
    assert encoder.norms[0].weight.dtype == torch.float32
    assert torch.allclose(encoder.norms[0].weight, released[1].norms[0].weight, atol=1e-2)

    old = read_checkpoint_from(theirs)
    old["encoder"]["pos_embed"] = torch.zeros(1, N, 32)
    old["predictor"]["predictor_pos_embed"] = torch.zeros(1, N, 24)
    encoder, want = Encoder(OLD), Encoder(OLD)
    assert load_encoder(encoder, old).unused == ("pos_embed",)
    load_encoder(want, theirs.state_dict())
    assert same(encoder, want)
    assert load_predictor(Predictor(OLD, OLD_PREDICTOR), old).unused == ("pos_embed",)


def read_checkpoint_from(model):
    return networks(model.state_dict(), "memory")


def test_one_network_alone(released, tmp_path):
    parts = read_checkpoint(released[0])
    save_file({k: v.contiguous() for k, v in parts["encoder"].items()}, tmp_path / "e.safetensors")
    encoder = Encoder(NEW)
    load_encoder(encoder, tmp_path / "e.safetensors")
    assert same(encoder, released[2])
    predictor = Predictor(NEW, NEW_PREDICTOR)
    assert load_predictor(predictor, parts["predictor"]).version is None
    assert same(predictor, released[3])
    with pytest.raises(DataError, match="no 'predictor'; it has: encoder"):
        load_predictor(predictor, tmp_path / "e.safetensors")


# --- mistakes ---------------------------------------------------------------------------------


class Unwelcome:
    def __reduce__(self):
        return (print, ("this must never run",))


def test_files_that_are_not_checkpoints(tmp_path, capsys):
    encoder = Encoder(NEW)
    cases = {
        "noise.pt": (b"\x00\x01noise" * 50, "download it again"),
        "noise.safetensors": (b"\x00\x01noise" * 50, "download it again"),
        "empty.pt": (b"", "download it again"),
    }
    for name, (content, message) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=message) as caught:
            load_encoder(encoder, tmp_path / name)
        assert name in str(caught.value) and "\n" not in str(caught.value)
        assert "weights_only" not in str(caught.value)
    torch.save({"encoder": Unwelcome()}, tmp_path / "code.pt")
    with pytest.raises(DataError, match="more than tensors"):
        load_encoder(encoder, tmp_path / "code.pt")
    assert "never run" not in capsys.readouterr().out
    torch.save(torch.zeros(3), tmp_path / "tensor.pt")
    with pytest.raises(DataError, match="holds a Tensor"):
        load_encoder(encoder, tmp_path / "tensor.pt")
    torch.save({"fc.weight": torch.zeros(3)}, tmp_path / "other.pt")
    with pytest.raises(DataError, match=r"no V-JEPA weights \(it has fc.weight\)"):
        load_encoder(encoder, tmp_path / "other.pt")


def test_files_that_are_not_there(tmp_path):
    with pytest.raises(DataError, match=r"gone.pt does not exist"):
        load_encoder(Encoder(NEW), tmp_path / "gone.pt")
    with pytest.raises(DataError, match="neither model"):
        load_encoder(Encoder(NEW), tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(DataError, match="not an index of shards"):
        load_encoder(Encoder(NEW), tmp_path)
    index = '{"weight_map": {"a": "model-1.safetensors"}}'
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(DataError, match=r"model-1.safetensors does not exist"):
        load_encoder(Encoder(NEW), tmp_path)


def test_parts_that_are_not_there(released, theirs):
    with pytest.raises(DataError, match="no 'ema_encoder'; it has: encoder, predictor, target_en"):
        load_encoder(Encoder(NEW), released[0], "ema_encoder")
    cut = {k: v for k, v in theirs.state_dict().items() if "layer.1.attention.key.weight" not in k}
    with pytest.raises(DataError, match=r"but not .*key.weight"):
        load_encoder(Encoder(OLD), cut)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"depth": 3, "levels": (3,)}, r"no place for, first blocks\.3\..*change depth"),
        ({"depth": 8, "levels": (2, 4, 6, 8)}, r"lacks .* first blocks\.4\..*change depth"),
        ({"levels": (4,), "modality_embedding": False}, r"modality.*change modality_embedding"),
        ({"mlp_ratio": 2.0}, r"is \[128, 32\] in .* but \[64, 32\] .*mlp_ratio"),
        ({"patch": 4}, r"patch_embed.weight is \[32, 384\].*change patch"),
        (V_JEPA_2, "is V-JEPA 2.1, but .* EncoderConfig's own rotary settings"),
    ],
)
def test_encoders_that_do_not_fit(released, change, message):
    encoder = lively(Encoder(replace(NEW, **change)))
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    with pytest.raises(ConfigError, match=message) as caught:
        load_encoder(encoder, released[0])
    assert isinstance(caught.value, CompanionError) and "latest.pth.tar" in str(caught.value)
    assert all(torch.equal(v, before[k]) for k, v in encoder.state_dict().items())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask_groups": 3}, r"mask_tokens is \[2, 24\] in .* but \[3, 24\].*mask_groups"),
        ({"out_dim": 10}, "head.weight .*change levels or out_dim"),
        ({"depth": 1}, "change depth"),
    ],
)
def test_predictors_that_do_not_fit(released, change, message):
    with pytest.raises(ConfigError, match=message):
        load_predictor(Predictor(NEW, replace(NEW_PREDICTOR, **change)), released[0])


def test_v_jepa_2_refuses_the_settings_of_2_1(theirs):
    for change in ({"rope_pairing": "interleaved"}, {"rope_reference": 16}):
        with pytest.raises(ConfigError, match=r"is V-JEPA 2.*\*\*V_JEPA_2"):
            load_encoder(Encoder(replace(OLD, **change)), theirs.state_dict())
    wrong = replace(OLD, rope_pairing="interleaved")
    with pytest.raises(ConfigError, match=r"is V-JEPA 2, but this predictor"):
        load_predictor(Predictor(wrong, OLD_PREDICTOR), theirs.state_dict())
    wide = Predictor(OLD, replace(OLD_PREDICTOR, predict_context=True))
    with pytest.raises(ConfigError, match=r"first head_context.*predict_context"):
        load_predictor(wide, theirs.state_dict())
