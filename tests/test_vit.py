"""Encoder and predictor: rotary positions, masks, levels, shapes, and a plain second opinion."""

import math
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.model.rotary import Rotary, rope_table, rotate
from vjepa_lib.model.vit import (
    V_JEPA_2,
    Encoder,
    EncoderConfig,
    Predictor,
    PredictorConfig,
    layer_norm_levels,
)

# 2 x 2 x 3 tokens; 16 channels a head, of which 4 are not rotated.
TINY = EncoderConfig(
    height=16, width_px=24, frames=4, patch=8, width=32, depth=3, heads=2, levels=(2, 3)
)
SMALL_PREDICTOR = PredictorConfig(24, 2, 2)
N = TINY.grid.n


def lively(module):
    """Move every parameter off its initial value, so that none can hide behind a zero."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(0.2 * torch.randn(p.shape, generator=generator))
    return module


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return lively(Encoder(TINY))


@pytest.fixture
def predictor():
    torch.manual_seed(0)
    return lively(Predictor(TINY, SMALL_PREDICTOR))


@pytest.fixture
def clip():
    return torch.randn(2, 3, 4, 16, 24, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def masks():
    return torch.tensor([[0, 1, 2, 6], [1, 2, 3, 11]]), torch.tensor([[3, 4, 5], [0, 4, 6]])


# --- a second opinion: one token, one head and one channel at a time ---------------------------


def angles(cfg, head_dim):
    """[N, head_dim] angles by the definition; 0 where nothing is rotated."""
    t, h, w = cfg.grid.shape
    part = 2 * (head_dim // 3 // 2)
    stretch = [
        (cfg.rope_reference - 1) / (size - 1) if cfg.rope_reference else 1 for size in (h, w)
    ]
    out = torch.zeros(t * h * w, head_dim)
    for n in range(t * h * w):
        places = (n // (h * w), n // w % h * stretch[0], n % w * stretch[1])
        for axis, place in enumerate(places):
            for j in range(part):
                i = j // 2 if cfg.rope_pairing == "interleaved" else j % (part // 2)
                out[n, axis * part + j] = place * 10000 ** (-i / (part / 2))
    return out


def turned(x, angle):
    """x [head_dim] of one token and head, rotated channel by channel."""
    out = x.clone()
    for j in range(len(x)):
        other = -x[j + 1] if j % 2 == 0 else x[j - 1]
        out[j] = x[j] * math.cos(angle[j]) + other * math.sin(angle[j])
    return out


def plain_block(block, x, angle):
    """A pre-norm block on tokens x [K, width] of one clip."""
    width, heads = x.shape[-1], block.heads
    q, k, v = block.qkv(block.norm1(x)).split(width, -1)
    out = []
    for h in range(heads):
        part = slice(h * width // heads, (h + 1) * width // heads)
        qh = torch.stack([turned(q[i, part], angle[i]) for i in range(len(x))])
        kh = torch.stack([turned(k[i, part], angle[i]) for i in range(len(x))])
        weight = (qh @ kh.T / math.sqrt(width // heads)).softmax(-1)
        out.append(weight @ v[:, part])
    x = x + block.proj(torch.cat(out, -1))
    hidden = block.fc1(block.norm2(x))
    # The exact GELU, not its tanh form.
    return x + block.fc2(hidden * 0.5 * (1 + torch.erf(hidden / math.sqrt(2))))


def plain_encoder(encoder, clip, index):
    cfg = encoder.cfg
    angle = angles(cfg, cfg.width // cfg.heads)
    weight = encoder.patch_embed.weight.view(-1, 3, cfg.tubelet, cfg.patch, cfg.patch)
    stride = (cfg.tubelet, cfg.patch, cfg.patch)
    every = F.conv3d(clip, weight, encoder.patch_embed.bias, stride).flatten(2).transpose(1, 2)
    out = []
    for tokens, kept in zip(every, index):
        x = tokens[kept] + (encoder.modality["video"] if encoder.modality else 0)
        levels = []
        for number, block in enumerate(encoder.blocks, 1):
            x = plain_block(block, x, angle[kept])
            if number in cfg.levels:
                levels.append(encoder.norms[len(levels)](x))
        out.append(torch.cat(levels, -1))
    return torch.stack(out)


def plain_predictor(predictor, z, context, target, group):
    """With the tokens sorted by position, as the official code has them."""
    cfg = predictor.cfg
    angle = angles(TINY, cfg.width // cfg.heads)
    zhat, zhat_ctx = [], []
    for zi, ci, ti in zip(z, context, target):
        k = len(ci)
        x = torch.cat([predictor.embed(zi), predictor.mask_tokens[group].expand(len(ti), -1)])
        numbers = torch.cat([ci, ti])
        order = numbers.argsort()
        x = x[order] + predictor.modality["video"]
        for block in predictor.blocks:
            x = plain_block(block, x, angle[numbers[order]])
        x = predictor.norm(x)[order.argsort()]
        zhat.append(predictor.head(x[k:]))
        zhat_ctx.append(predictor.head_context(x[:k]))
    return torch.stack(zhat), torch.stack(zhat_ctx)


@pytest.mark.parametrize("saving", [False, True], ids=["kept", "recomputed"])
@pytest.mark.parametrize("with_context", [True, False])
def test_mask_groups_in_one_pass_are_the_groups_one_by_one(clip, with_context, saving):
    """Values and every gradient, to rounding: the groups do not see one another."""
    torch.manual_seed(0)
    encoder = lively(Encoder(replace(TINY, activation_checkpointing=saving)))
    predictor = lively(Predictor(encoder.cfg, SMALL_PREDICTOR))
    contexts = [torch.tensor([[0, 1, 4], [2, 3, 11]]), torch.tensor([[5, 6], [0, 7]])]
    targets = [torch.tensor([[2, 7], [0, 1]]), torch.tensor([[0, 1, 2, 3], [8, 9, 10, 11]])]

    def grads(z, zhat, zhat_ctx):
        outputs = [*z, *zhat, *(zhat_ctx if with_context else ())]
        loss = sum((x * torch.arange(x.numel()).view_as(x).sin()).sum() for x in outputs)
        networks = [*encoder.parameters(), *predictor.parameters()]
        return outputs, torch.autograd.grad(loss, networks, allow_unused=True)

    z = [encoder(clip, c) for c in contexts]
    apart = [
        predictor(*inputs, group, with_context=with_context)
        for group, inputs in enumerate(zip(z, contexts, targets))
    ]
    want = grads(z, *zip(*apart))
    z = encoder(clip, contexts)
    got = grads(z, *predictor(z, contexts, targets, with_context=with_context))
    for a, b in zip([*want[0], *want[1]], [*got[0], *got[1]], strict=True):
        assert (a is None and b is None) or torch.allclose(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("switches", [{}, V_JEPA_2], ids=["2.1", "2"])
def test_encoder_against_the_plain_form(switches, clip, masks):
    torch.manual_seed(0)
    encoder = lively(Encoder(replace(TINY, **switches)))
    with torch.no_grad():
        for index in (torch.arange(N).expand(2, -1), masks[0]):
            want = plain_encoder(encoder, clip, index)
            assert torch.allclose(encoder(clip, index), want, atol=1e-5)


def test_predictor_against_the_plain_form(encoder, predictor, clip, masks):
    context, target = masks
    with torch.no_grad():
        z = encoder(clip, context)
        for group in (0, 1):
            for got, want in zip(
                predictor(z, context, target, group),
                plain_predictor(predictor, z, context, target, group),
            ):
                assert torch.allclose(got, want, atol=1e-5)


@pytest.mark.parametrize("pairing", ["interleaved", "tiled"])
@pytest.mark.parametrize("head_dim", [6, 12, 16])
def test_rotation_in_both_its_forms(pairing, head_dim):
    cfg = replace(TINY, rope_pairing=pairing)
    angle = angles(cfg, head_dim)
    x = torch.randn(1, N, 1, head_dim, generator=torch.Generator().manual_seed(2))
    want = torch.stack([turned(x[0, n, 0], angle[n]) for n in range(N)])
    rotary = Rotary(cfg.grid, head_dim, cfg.rope_reference, pairing)
    rope = rotary(None, N)
    assert rope.is_complex() == (pairing == "interleaved")
    assert torch.allclose(rotate(x, rope)[0, :, 0], want, atol=1e-5)
    # What a GPU gets.
    table = rotary.table[:, None, :, None]
    assert torch.allclose(rotate(x, table)[0, :, 0], want, atol=1e-5)
    grads = []
    for form in (rope, table):
        y = x.clone().requires_grad_()
        (rotate(y, form) * torch.arange(head_dim)).sum().backward()
        grads.append(y.grad)
    assert torch.allclose(*grads, atol=1e-5)


def test_rotation_keeps_half_precision():
    rotary = Rotary(TINY.grid, 16, TINY.rope_reference, TINY.rope_pairing)
    x = torch.randn(1, N, 2, 16)
    for rope in (rotary(None, N), rotary.table[:, None, :, None]):
        half = rotate(x.bfloat16(), rope)
        assert half.dtype == torch.bfloat16
        assert torch.allclose(half.float(), rotate(x, rope), atol=0.05)


def test_positions_are_spread_over_the_256_pixel_grid():
    cfg = EncoderConfig()
    cos, sin = rope_table(cfg.grid, 64, cfg.rope_reference, "interleaved")
    angle = torch.atan2(sin, cos)
    # Frequency 1 of each axis: the last time step is 7, the last row and column are 15, not 13.
    for channel, place in ((0, 7), (20, 15), (40, 15)):
        want = math.remainder(place, 2 * math.pi)
        assert float(angle[-1, channel]) == pytest.approx(want, abs=1e-4)
    assert not sin[:, 60:].any() and torch.equal(cos[:, 60:], torch.ones_like(cos[:, 60:]))


# --- masks and levels -------------------------------------------------------------------------


def test_all_tokens_by_index_equal_no_index(encoder, clip):
    index = torch.arange(N).expand(2, -1)
    assert torch.allclose(encoder(clip), encoder(clip, index), atol=1e-6)


def test_order_of_tokens_does_not_matter(encoder, clip):
    index = torch.tensor([[0, 3, 5, 8, 11], [1, 2, 6, 7, 9]])
    shuffle = torch.tensor([3, 1, 4, 0, 2])
    assert torch.allclose(
        encoder(clip, index)[:, shuffle], encoder(clip, index[:, shuffle]), atol=1e-5
    )


def test_masked_pixels_do_not_leak_into_the_context(encoder, clip):
    index = torch.tensor([[0, 1, 7], [0, 1, 7]])
    changed = clip.clone()
    changed[..., 16:] += 100  # the last column of tokens, which no index above names
    assert torch.equal(encoder(clip, index), encoder(changed, index))
    assert not torch.equal(encoder(clip), encoder(changed))


def test_patchify_takes_every_clip_by_its_own_index(encoder, clip, masks):
    every = encoder.patchify(clip)
    want = torch.stack([every[i, row] for i, row in enumerate(masks[0])])
    assert torch.equal(encoder.patchify(clip, masks[0]), want)


def test_levels(encoder, clip):
    levels, last = encoder(clip), encoder(clip, levels=False)
    assert levels.shape == (2, N, 64) and encoder.out_dim == 64
    assert torch.equal(levels[..., 32:], last)
    assert not torch.allclose(levels[..., :32], last)


def test_target_levels_are_normalised_one_by_one():
    h = torch.randn(2, N, 64) * torch.cat([torch.full((32,), 5.0), torch.ones(32)]) + 3
    got = layer_norm_levels(h, 2).unflatten(-1, (2, 32))
    assert torch.allclose(got.mean(-1), torch.zeros(2, N, 2), atol=1e-5)
    assert torch.allclose(got.std(-1, correction=0), torch.ones(2, N, 2), atol=1e-3)
    with pytest.raises(ShapeError, match="3 levels"):
        layer_norm_levels(h, 3)


def test_mask_tokens_start_at_zero_and_are_chosen_by_group(encoder, predictor, clip, masks):
    assert not Predictor(TINY, SMALL_PREDICTOR).mask_tokens.any()
    z = encoder(clip, masks[0])
    zhat = [predictor(z, *masks, group)[0] for group in range(3)]
    assert zhat[0].shape == (2, 3, 64)
    assert not torch.allclose(zhat[0], zhat[1]) and torch.equal(zhat[0], zhat[2])


def test_a_mask_token_knows_its_place(encoder, predictor, clip, masks):
    context, target = masks
    z = encoder(clip, context)
    zhat, _ = predictor(z, context, target)
    moved, _ = predictor(z, context, target.roll(1, 1))
    assert torch.allclose(moved, zhat.roll(1, 1), atol=1e-5)
    assert not torch.allclose(moved, zhat, atol=1e-3)


def test_predictions_at_the_context(encoder, predictor, clip, masks):
    z = encoder(clip, masks[0])
    zhat, around = predictor(z, *masks)
    assert around.shape == (2, 4, 64)
    alone, nothing = predictor(z, *masks, with_context=False)
    assert nothing is None and torch.equal(alone, zhat)
    bare = Predictor(TINY, replace(SMALL_PREDICTOR, predict_context=False, out_dim=10))
    zhat, nothing = bare(z, *masks)
    assert nothing is None and zhat.shape == (2, 3, 10)


def test_modalities(encoder, predictor, clip, masks):
    assert not torch.allclose(encoder(clip), encoder(clip, modality="image"))
    z = encoder(clip, masks[0])
    video, image = (predictor(z, *masks, modality=m)[0] for m in ("video", "image"))
    assert not torch.allclose(video, image)


def test_stills_have_patches_of_their_own(clip):
    torch.manual_seed(0)
    encoder = lively(Encoder(replace(TINY, image_patches=True)))
    still = clip[:, :, :1]
    out = encoder(still, modality="image")
    assert out.shape == (2, N // 2, 64)
    index = torch.tensor([[0, 4], [1, 5]])
    want = out.gather(1, index[..., None].expand(-1, -1, 64))
    assert not torch.allclose(encoder(still, index, modality="image"), want)  # it sees less
    assert encoder(clip).shape == (2, N, 64)
    weight = encoder.patch_embed_image.weight.view(-1, 3, 8, 8)
    patches = F.conv2d(still[:, :, 0], weight, encoder.patch_embed_image.bias, 8)
    got = encoder.patch_embed_image(encoder.patchify(still, still=True))
    assert torch.allclose(got, patches.flatten(2).transpose(1, 2), atol=1e-5)


# --- training ---------------------------------------------------------------------------------


def test_activation_checkpointing_changes_nothing(clip, masks):
    saving = replace(TINY, activation_checkpointing=True)
    results = []
    for cfg in (TINY, saving):
        torch.manual_seed(0)
        encoder, predictor = lively(Encoder(cfg)), lively(Predictor(cfg, SMALL_PREDICTOR))
        zhat, around = predictor(encoder(clip, masks[0]), *masks)
        (zhat.square().mean() + around.abs().mean()).backward()
        grads = [p.grad for net in (encoder, predictor) for p in net.parameters()]
        results.append((zhat, grads))
    (zhat, plain), (again, saved) = results
    assert torch.equal(zhat, again)
    for a, b in zip(plain, saved, strict=True):
        assert (a is None) == (b is None)
        assert a is None or torch.allclose(a, b, atol=1e-6)


def test_every_weight_but_the_other_modality_is_trained(encoder, predictor, clip, masks):
    for group in (0, 1):
        zhat, around = predictor(encoder(clip, masks[0]), *masks, group)
        (zhat.square().mean() + around.square().mean()).backward()
    for net in (encoder, predictor):
        for name, p in net.named_parameters():
            if name != "modality.image":
                assert p.grad is not None and p.grad.any(), name


def test_a_seed_decides_the_weights():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(Encoder(TINY).state_dict())
    same, other = states[1], states[2]
    assert all(torch.equal(v, same[k]) for k, v in states[0].items())
    assert any(not torch.equal(v, other[k]) for k, v in states[0].items())


def test_initial_weights_follow_v_jepa():
    torch.manual_seed(0)
    encoder = Encoder(EncoderConfig(width=384, depth=4, heads=6, levels=(4,)))
    # Normal with deviation 0.02: V-JEPA's bounds, -2 and 2, leave tails beyond two deviations.
    weight = encoder.blocks[0].qkv.weight.detach()
    assert float(weight.std()) == pytest.approx(0.02, rel=0.01)
    assert float(weight.abs().max()) > 0.06
    for number, block in enumerate(encoder.blocks, 1):
        for layer in (block.proj, block.fc2):
            want = 0.02 / math.sqrt(2 * number)
            assert float(layer.weight.detach().std()) == pytest.approx(want, rel=0.02)
    assert not any(p.any() for n, p in encoder.named_parameters() if n.endswith("bias"))
    assert 0 < float(encoder.modality["video"].detach().abs().max()) < 1e-5


def test_first_encoder_made_for_inference_does_not_spoil_training(clip):
    with torch.inference_mode():
        Encoder(TINY)(clip)
    Encoder(TINY)(clip).sum().backward()


def test_autocast_stays_close(encoder, predictor, clip, masks):
    with torch.no_grad():
        exact = predictor(encoder(clip, masks[0]), *masks)
        with torch.autocast("cpu", torch.bfloat16):
            rough = predictor(encoder(clip, masks[0]), *masks)
    for a, b in zip(exact, rough):
        assert float((a - b).abs().mean() / a.abs().mean()) < 0.05


def test_paper_geometry_is_vit_b():
    cfg = EncoderConfig()
    with torch.device("meta"):
        encoder, predictor = Encoder(cfg), Predictor(cfg, PredictorConfig())
    assert cfg.grid.shape == (8, 14, 14) and cfg.grid.n == 1568 and encoder.out_dim == 3072
    blocks = 12 * (4 * 768**2 + 8 * 768**2 + (3 + 1 + 4 + 1 + 4) * 768)
    patch = 3 * 2 * 16 * 16 * 768 + 768
    assert blocks + patch + 4 * 1536 + 2 * 768 == 86_242_560
    assert sum(p.numel() for p in encoder.parameters()) == 86_242_560
    assert [tuple(m.weight.shape) for m in (predictor.embed[0], predictor.embed[2])] == [
        (768, 3072),
        (256, 768),
    ]
    assert len(predictor.blocks) == 8 and predictor.mask_tokens.shape == (2, 256)
    assert predictor.head.weight.shape == predictor.head_context.weight.shape == (3072, 256)
    assert sum(p.numel() for p in predictor.parameters()) == 10_455_552


# --- mistakes ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"height": 225}, "does not divide into tubelets"),
        ({"frames": 5}, "does not divide into tubelets"),
        ({"heads": 7}, "does not divide by heads 7"),
        ({"heads": 256}, "3 channels a head"),
        ({"width": 756, "heads": 84}, "9 channels a head"),
        ({"levels": (3,)}, "end there"),
        ({"levels": ()}, "end there"),
        ({"levels": (6, 3, 12)}, "must rise"),
        ({"levels": (0, 12)}, "within 1..12"),
        ({"rope_pairing": "both"}, "'interleaved' nor 'tiled'"),
    ],
)
def test_configurations_that_cannot_be(change, message):
    with pytest.raises(ConfigError, match=message):
        EncoderConfig(**change)


def test_predictors_that_cannot_be():
    with pytest.raises(ConfigError, match="divide by heads"):
        PredictorConfig(heads=7)
    with pytest.raises(ConfigError, match="mask_groups"):
        PredictorConfig(mask_groups=0)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (torch.arange(3), r"integers \[2, K\]"),
        (torch.zeros(3, 4, dtype=torch.long), r"integers \[2, K\]"),
        (torch.zeros(2, 4), "float32"),
        (torch.tensor([[0, 12], [0, 1]]), "token 12"),
        (torch.tensor([[0, 1], [-1, 1]]), "token -1"),
    ],
)
def test_indices_that_do_not_fit(encoder, clip, index, message):
    with pytest.raises(ShapeError, match=message):
        encoder(clip, index)


def test_tensors_that_do_not_fit(encoder, predictor, clip, masks):
    with pytest.raises(ShapeError, match=r"\[B, 3, 4, 16, 24\]"):
        encoder(clip[:, :, :2])
    with pytest.raises(ShapeError, match="resample the clip"):
        encoder(clip[0])
    with pytest.raises(ConfigError, match="video, image"):
        encoder(clip, modality="audio")
    z = encoder(clip, masks[0])
    with pytest.raises(ShapeError, match=r"\[B, K, 64\]"):
        predictor(z[..., :32], *masks)
    with pytest.raises(ShapeError, match=r"need an index \[2, 4\]"):
        predictor(z, masks[0][:, :2], masks[1])
    with pytest.raises(ShapeError, match="target_index"):
        predictor(z, masks[0], masks[1][:1])
    with pytest.raises(ConfigError, match="audio"):
        predictor(z, *masks, modality="audio")
