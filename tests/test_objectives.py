"""Every objective gives its golden value and gradient norms, in both forms what they claim."""

import dataclasses
import json
import math
from pathlib import Path

import pytest
import reference_objectives
import torch

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.model.grid import Grid
from vjepa_lib.objectives import TERMS, LatentBatch, Objective, halves, make_term
from vjepa_lib.objectives.base import FORMS, count_channels
from vjepa_lib.objectives.contrastive import info_nce
from vjepa_lib.objectives.sigreg import epps_pulley
from vjepa_lib.objectives.views import VIEWS, moves

GOLDEN = json.loads((Path(__file__).parent / "golden_objectives.json").read_text())
S = GOLDEN["shape"]
DIM = S["D"]
HEAD = {"ld": 0.41, "ac": 0.43, "hamiltonian": 0.47}
ROWS = {
    "hard_region_weighting": ("hw", {}),
    "hard_region_weighting_temp_0.25": ("hw", {"temperature": 0.25}),
    "velocity_gate": ("velgate", {}),
    "fwm_static": ("fwm_static", {}),
    "fwm_orth": ("fwm_orth", {}),
    "fwm_static_ratio_0.25": ("fwm_static", {"ratio": 0.25}),
    "delta_prediction": ("delta", {}),
    "spectral": ("spectral", {}),
    "latent_temporal_contrastive": ("ltc", {}),
    "latent_dynamics": ("ld", {"hidden": S["mlp_hidden"]}),
    "latent_dynamics_hard_weighted_as_released": (
        "ld",
        {"hidden": S["mlp_hidden"], "hard_weighted": True},
    ),
    "latent_dynamics_on_dynamics_subspace": (
        "ld",
        {"hidden": S["mlp_hidden"], "channels": "dynamics"},
    ),
    "action_conditioned": ("ac", {"hidden": S["mlp_hidden"]}),
    "action_on_dynamics_subspace": ("ac", {"hidden": S["mlp_hidden"], "channels": "dynamics"}),
    "kinematic_l1": ("kinematic", {}),
    "kinematic_acceleration": ("kinematic", {"kind": "acceleration"}),
    "kinematic_huber": ("kinematic", {"kind": "huber"}),
    "kinematic_acceleration_split_0.5": ("kinematic", {"kind": "acceleration", "ratio": 0.5}),
    "jepa_prediction": ("jepa", {}),
    "context_distance_weighted": ("context", {}),
    "context_unweighted": ("context", {"distance_weighted": False}),
    "hamiltonian": ("hamiltonian", {"hidden": S["hamiltonian_hidden"]}),
}


def wave(a, shape):
    i = torch.arange(1, math.prod(shape) + 1, dtype=torch.float64)
    return torch.sin(a * i).reshape(shape).float()


@pytest.fixture
def batch():
    k, b = S["k"], S["B"]
    grid = Grid(S["T"], S["H"], S["W"], S["tubelet"], S["patch"])
    ctx = [torch.tensor(m) for m in GOLDEN["masks_context"]]
    tgt = [torch.tensor(m) for m in GOLDEN["masks_target"]]
    return LatentBatch(
        z=[
            wave(0.11 + k + 0.05 * m, (b, c.shape[1], DIM)).requires_grad_()
            for m, c in enumerate(ctx)
        ],
        zhat=[
            wave(0.23 + k + 0.07 * m, (b, t.shape[1], DIM)).requires_grad_()
            for m, t in enumerate(tgt)
        ],
        zhat_ctx=[
            wave(0.29 + k + 0.03 * m, (b, c.shape[1], DIM)).requires_grad_()
            for m, c in enumerate(ctx)
        ],
        h=wave(0.37 + k, (b, grid.n, DIM)).requires_grad_(),
        context_index=ctx,
        target_index=tgt,
        grid=grid,
        n_levels=4,
        clip=wave(0.017 + k, (b, 3, grid.frames, grid.height, grid.width)),
        generator=torch.Generator().manual_seed(0),
    )


def norm(tensors):
    return math.sqrt(sum(float((t.grad**2).sum()) for t in tensors if t.grad is not None))


def build(name, options, form="released"):
    term = make_term(name, form, dim=DIM, **options)
    for j, p in enumerate(term.parameters()):
        p.data = 0.5 * wave(HEAD.get(name, 0.41) + 0.013 * j, p.shape)
    return term


def test_every_golden_row_is_checked():
    assert set(ROWS) == set(GOLDEN["expected"])


@pytest.mark.parametrize("row", ROWS)
def test_golden(row, batch):
    name, options = ROWS[row]
    value = build(name, options)(batch)
    expected = GOLDEN["expected"][row]
    assert float(value.detach()) == pytest.approx(expected["value"], rel=1e-5, abs=1e-6)
    if "grad_norm_student" in expected:
        if value.requires_grad:
            value.backward()
        student = norm(batch.z + batch.zhat)
        assert student == pytest.approx(expected["grad_norm_student"], rel=1e-5, abs=1e-6)
        assert norm([batch.h]) == pytest.approx(expected["grad_norm_target"], rel=1e-5, abs=1e-6)


def test_hard_weighted_latent_dynamics_learns_only_as_described(batch):
    for form, learns in (("released", False), ("described", True)):
        term = build("ld", {"hidden": 6, "hard_weighted": True}, form)
        value = term(batch)
        assert value.requires_grad is learns
        if learns:
            value.backward()
            assert all(float(p.grad.norm()) > 0 for p in term.head.parameters())
    # Same number either way: the two forms differ in what learns, not in what is computed.
    assert float(value.detach()) == pytest.approx(
        GOLDEN["expected"]["latent_dynamics_hard_weighted_as_released"]["value"], rel=1e-5
    )


def test_halves_of_both_forms():
    x = torch.arange(16.0).expand(2, 16)  # 4 levels of 4 channels
    a, y = halves(x, 4, "released")
    assert a[0].tolist() == list(range(8)) and y[0].tolist() == list(range(8, 16))
    a, y = halves(x, 4, "described")
    assert a[0].tolist() == [0, 1, 4, 5, 8, 9, 12, 13]
    assert y[0].tolist() == [2, 3, 6, 7, 10, 11, 14, 15]


def test_halves_agree_with_the_width_heads_are_built_for():
    for form in FORMS:
        for dim, levels, ratio in ((16, 4, 0.5), (24, 4, 0.25), (12, 4, 0.5), (10, 1, 0.33)):
            a, y = halves(torch.zeros(1, dim), levels, form, ratio)
            assert count_channels(dim, "appearance", form, ratio, levels) == a.shape[1]
            assert count_channels(dim, "dynamics", form, ratio, levels) == y.shape[1]


OBVIOUS = {
    "jepa": [{}],
    "context": [{}],
    "hw": [{}, {"temperature": 0.25}],
    "ld": [
        {"hidden": 6},
        {"hidden": 6, "hard_weighted": True},
        {"hidden": 6, "channels": "dynamics"},
    ],
    "ac": [{"hidden": 6}, {"hidden": 6, "channels": "dynamics"}],
    "fwm_static": [{}, {"ratio": 0.25}],
    "fwm_orth": [{}, {"ratio": 0.25}],
    "delta": [{}],
    "ltc": [{}],
    "spectral": [{}],
    "velgate": [{}],
    "hamiltonian": [{"hidden": 5}],
    "kinematic": [{}, {"kind": "acceleration", "ratio": 0.5}, {"kind": "huber"}],
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "options"), [(name, options) for name in OBVIOUS for options in OBVIOUS[name]]
)
def test_value_and_gradients_equal_the_obvious_form(name, options, form, batch):
    """Token by token from the formula, on masks that do not last the whole clip."""
    term = build(name, options, form)
    leaves = [*batch.z, *batch.zhat, *batch.zhat_ctx, batch.h, *term.parameters()]

    def gradients(value):
        found = torch.autograd.grad(value, leaves, allow_unused=True)
        return [torch.zeros_like(x) if f is None else f for x, f in zip(leaves, found, strict=True)]

    fast, slow = term(batch), getattr(reference_objectives, name)(batch, term)
    assert float(fast.detach()) == pytest.approx(float(slow.detach()), rel=2e-5)
    if not fast.requires_grad:  # the hard-weighted latent dynamics as released
        assert name == "ld" and options.get("hard_weighted") and form == "released"
        return
    for x, y in zip(gradients(fast), gradients(slow), strict=True):
        assert torch.allclose(x, y, rtol=1e-3, atol=1e-6)


def test_a_group_without_pairs_does_not_dilute_the_mean(batch):
    whole = float(build("delta", {})(batch).detach())
    alone = dataclasses.replace(
        batch,
        z=batch.z[:1],
        zhat=batch.zhat[:1],
        context_index=batch.context_index[:1],
        target_index=batch.target_index[:1],
    )
    expected = float(build("delta", {})(alone).detach())
    first_step = torch.arange(16).expand(2, 16)  # one time step: no place has a next one
    padded = dataclasses.replace(
        batch,
        z=[batch.z[0], batch.z[1][:, :16]],
        context_index=[batch.context_index[0], first_step],
    )
    assert float(build("delta", {})(padded).detach()) == pytest.approx(expected)
    assert whole != pytest.approx(expected)
    nothing = dataclasses.replace(
        padded, z=[batch.z[1][:, :16]] * 2, context_index=[first_step] * 2
    )
    for name, options in (("delta", {}), ("ld", {"hidden": 6, "hard_weighted": True}), ("ltc", {})):
        assert float(build(name, options, "described")(nothing).detach()) == 0


def test_hard_weights_prefer_hard_tokens(batch):
    uniform = float(build("jepa", {})(batch).detach())
    assert float(build("hw", {})(batch).detach()) > uniform
    assert float(build("hw", {"temperature": 1e6})(batch).detach()) == pytest.approx(
        uniform, rel=1e-4
    )


def test_kinematic_anneals_to_zero(batch):
    term = build("kinematic", {"anneal": True})
    whole = float(build("kinematic", {})(batch).detach())
    for batch.progress, share in ((0.0, 1.0), (0.5, 0.5), (1.0, 0.0)):
        assert float(term(batch).detach()) == pytest.approx(share * whole, abs=1e-6)


def test_epps_pulley_equals_its_definition_with_gradient():
    g = torch.Generator().manual_seed(0)
    z = (1.5 * torch.randn(300, 5, generator=g)).requires_grad_()
    directions = torch.randn(5, 7, generator=g)
    fast = epps_pulley(z @ (directions / directions.norm(dim=0)))
    slow = reference_objectives.sigreg(z, directions)
    assert torch.allclose(fast, slow, rtol=1e-4)
    weight = torch.arange(1.0, 8)
    (a,) = torch.autograd.grad((fast * weight).sum(), z)
    (b,) = torch.autograd.grad((slow * weight).sum(), z)
    assert torch.allclose(a, b, rtol=1e-3, atol=1e-4 * float(b.abs().max()))


def test_sigreg_tells_normal_from_not_and_does_not_depend_on_its_chunks(batch):
    g = torch.Generator().manual_seed(0)
    normal = [torch.randn(2, c.shape[1], DIM, generator=g) for c in batch.context_index]
    values = []
    for z in (normal, [3 * x for x in normal]):
        for chunk in (2**17, 300):
            batch.z, batch.generator = z, torch.Generator().manual_seed(1)
            values.append(float(make_term("sigreg", dim=DIM, directions=50, chunk=chunk)(batch)))
    assert values[0] == pytest.approx(values[1], rel=1e-5)
    assert values[2] == pytest.approx(values[3], rel=1e-5)
    assert values[2] > 10 * values[0]


def test_info_nce_of_equal_similarities_is_log_count():
    q = torch.nn.functional.normalize(torch.ones(3, 4), dim=-1)
    value = info_nce(q, q, q[:1].expand(7, -1), 0.1)
    assert float(value) == pytest.approx(math.log(8), rel=1e-5)


def test_half_precision_training_keeps_float32_where_it_matters(batch):
    batch.views = pooled(batch)
    for name in ("iic", "fwm_orth", "sigreg"):
        term = make_term(name, dim=DIM)
        if name == "iic":
            term.head = torch.nn.Identity()
        batch.generator = torch.Generator().manual_seed(0)
        full = float(term(batch).detach())
        batch.generator = torch.Generator().manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16):
            assert float(term(batch).detach()) == pytest.approx(full, rel=1e-5)


def pooled(batch):
    return {v: wave(0.3 + 0.1 * i, (S["B"], DIM)).requires_grad_() for i, v in enumerate(VIEWS)}


@pytest.mark.parametrize("channels", ["all", "appearance", "dynamics"])
@pytest.mark.parametrize("name", ["ltc", "iic", "vclr"])
@pytest.mark.parametrize("form", ["released", "described"])
def test_contrast_touches_only_its_channels(name, channels, form, batch):
    batch.views = pooled(batch)
    make_term(name, form, dim=DIM, channels=channels)(batch).backward()
    touched = sum(z.grad.abs().sum((0, 1)) for z in batch.z if z.grad is not None)
    a, y = halves(touched, 4, form)
    assert (float(a.sum()) > 0) is (channels != "dynamics")
    assert (float(y.sum()) > 0) is (channels != "appearance")
    assert batch.h.grad is None  # keys do not learn


def test_iic_intra_negative_raises_the_loss(batch):
    batch.views = pooled(batch)
    torch.manual_seed(0)
    with_intra = make_term("iic", dim=DIM, intra="shuffled")
    without = make_term("iic", dim=DIM, intra="none")
    without.load_state_dict(with_intra.state_dict())
    assert float(with_intra(batch).detach()) > float(without(batch).detach())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("iic", {"intra": "repeated", "projection": 5}),
        ("iic", {"intra": "shuffled", "temperature": 0.5}),
        ("iic", {"intra": "none", "channels": "appearance"}),
        ("iic", {"channels": "dynamics", "ratio": 0.25}),
        ("vclr", {"queue": 5}),
        ("vclr", {"queue": 2, "segments": 3, "video": 0.6, "instance": 0.3, "order": 0.7}),
        ("vclr", {"queue": 3, "channels": "dynamics", "temperature": 0.2, "projection": 4}),
    ],
)
def test_contrasts_equal_their_obvious_form(name, options, form, batch):
    """Value and gradients, clip by clip from the formulas of IIC and VCLR."""
    batch.views = pooled(batch)
    torch.manual_seed(0)
    term = make_term(name, form, dim=DIM, **options)
    if name == "vclr":  # a queue that is partly full, of another batch's keys
        keys = wave(0.61, (2, DIM))
        term.queue[:2] = term.pick(keys, batch)
    leaves = [*batch.z, *batch.views.values(), *term.parameters()]
    found = []
    for form_of_it in (term, lambda b: getattr(reference_objectives, name)(b, term)):
        batch.generator = torch.Generator().manual_seed(3)
        value = form_of_it(batch)
        found.append((value, torch.autograd.grad(value, leaves, allow_unused=True)))
    (fast, fast_slopes), (slow, slow_slopes) = found
    assert float(fast.detach()) == pytest.approx(float(slow.detach()), rel=2e-5)
    for x, y in zip(fast_slopes, slow_slopes, strict=True):
        x, y = (torch.zeros(1) if s is None else s for s in (x, y))
        assert torch.allclose(x, y, rtol=1e-3, atol=1e-5)


def test_iic_leaves_out_clips_without_motion(batch):
    batch.views = pooled(batch)
    term = make_term("iic", dim=DIM, intra="repeated")
    batch.clip = batch.clip.clone()
    batch.clip[0] = batch.clip[0, :, :1]  # one frame, held
    term(batch).backward()
    # With one of two clips left there is nothing to contrast, and no gradient.
    assert all(float(v.grad.abs().sum()) == 0 for v in batch.views.values() if v.grad is not None)
    assert moves(batch.clip).tolist() == [False, True]


def test_contrast_names_the_view_it_misses(batch):
    term = make_term("iic", dim=DIM, intra="shuffled")
    assert term.needs_views == ("residual", "shuffled")
    with pytest.raises(ShapeError, match="residual, shuffled"):
        term(batch)


def test_vclr_segments_are_means_over_their_time_steps(batch):
    term = make_term("vclr", dim=DIM)
    index = torch.arange(batch.grid.n).expand(2, -1)
    means = term._segment_means(batch.h, index, batch)
    assert torch.allclose(means[:, 0], batch.h[:, :32].mean(1), atol=1e-6)
    assert torch.allclose(means[:, 1], batch.h[:, 32:].mean(1), atol=1e-6)
    # Of the context, those tokens alone that are there.
    means = term._segment_means(batch.z[0], batch.context_index[0], batch)
    early = batch.context_index[0][0] < 32
    assert torch.allclose(means[0, 0], batch.z[0][0][early].mean(0), atol=1e-6)


def test_vclr_queue_remembers_keys_and_wraps(batch):
    term = make_term("vclr", dim=DIM, queue=3)

    def step():
        term(batch)
        assert float(term.queue.abs().sum()) == before  # not in the middle of a step
        term.after_step()

    before = 0.0
    step()
    keys = batch.h.detach().mean(1)
    assert torch.allclose(term.queue[:2], keys, atol=1e-6)
    assert int(term.queue_start) == 2 and float(term.queue[2].abs().sum()) == 0
    before = float(term.queue.abs().sum())
    step()
    assert int(term.queue_start) == 1
    assert torch.allclose(term.queue, keys[[1, 1, 0]], atol=1e-6)
    term.eval()
    term(batch)
    term.after_step()
    assert int(term.queue_start) == 1


def test_vclr_goes_on_from_its_saved_state(batch):
    """Queue and place in it are part of the state: a resumed run gives the same loss."""
    term = make_term("vclr", dim=DIM, queue=5)
    for _ in range(3):
        term(batch)
        term.after_step()
    resumed = make_term("vclr", dim=DIM, queue=5)
    resumed.load_state_dict(term.state_dict())
    values = []
    for t in (term, resumed):
        batch.generator = torch.Generator().manual_seed(7)
        values.append([float(t(batch).detach()) for _ in range(2)])
    assert values[0] == values[1]


def test_vclr_queue_makes_the_task_harder(batch):
    term = make_term("vclr", dim=DIM, queue=8, instance=0.0, order=0.0)
    empty = float(term(batch).detach())
    term.queue[:] = batch.h.detach().mean(1)[0]  # full of one clip's own keys
    assert float(term(batch).detach()) > empty


def test_views():
    clip = torch.arange(2 * 3 * 4.0).reshape(2, 3, 4, 1, 1)
    g = torch.Generator().manual_seed(1)
    assert torch.equal(VIEWS["residual"](clip), torch.ones_like(clip))
    mixed = VIEWS["shuffled"](clip, g)
    assert not torch.equal(mixed, clip)
    assert torch.equal(mixed.sort(2).values, clip)
    held = VIEWS["repeated"](clip, g)
    assert torch.equal(held, held[:, :, :1].expand_as(held))


def test_objective_sums_weighted_terms_and_skips_zero_weights(batch):
    objective = Objective(
        [(build("jepa", {}), 1.0), (build("hw", {}), 0.3), (build("context", {}), lambda p: p)]
    )
    total, values = objective(batch)
    assert set(values) == {"jepa", "hw"}
    assert float(total.detach()) == pytest.approx(float(values["jepa"] + 0.3 * values["hw"]))
    batch.progress = 0.5
    total, values = objective(batch)
    assert float(total.detach()) == pytest.approx(
        float(values["jepa"] + 0.3 * values["hw"] + 0.5 * values["context"])
    )


def test_an_objective_holds_a_term_once():
    with pytest.raises(ConfigError, match="jepa twice"):
        Objective([(build("jepa", {}), 1.0), (build("jepa", {}), 0.5)])


def test_objective_lists_the_views_its_terms_need():
    terms = [make_term("iic", dim=DIM, intra="shuffled"), make_term("vclr", dim=DIM)]
    assert Objective([(t, 1.0) for t in terms]).needs_views == ("residual", "shuffled")


def test_same_draws_same_losses(batch):
    batch.views = pooled(batch)
    for name in ("sigreg", "vclr"):
        term = make_term(name, dim=DIM).eval()
        values = []
        for seed in (3, 3, 4):
            batch.generator = torch.Generator().manual_seed(seed)
            values.append(float(term(batch).detach()))
        assert values[0] == values[1] != values[2]


def test_mistakes_are_told_in_one_sentence(batch):
    with pytest.raises(ConfigError, match=r"'nope': choose one of ac, context, .*, vclr"):
        make_term("nope", dim=DIM)
    with pytest.raises(ConfigError, match="no option tau: its options are temperature"):
        make_term("hw", dim=DIM, tau=3)
    with pytest.raises(ConfigError, match="released, described"):
        make_term("hw", "imagined", dim=DIM)
    with pytest.raises(ConfigError, match="acceleration"):
        make_term("kinematic", dim=DIM, kind="jerk")
    with pytest.raises(ConfigError, match="all, appearance, dynamics"):
        make_term("ltc", dim=DIM, channels="motion")
    with pytest.raises(ConfigError, match="dynamics half"):
        make_term("fwm_static", dim=DIM, ratio=1.0)
    with pytest.raises(ConfigError, match="even width"):
        make_term("hamiltonian", dim=7)
    with pytest.raises(ConfigError, match="2 to 5 segments"):
        make_term("vclr", dim=DIM, segments=1)
    with pytest.raises(ConfigError, match="shuffled, repeated, none"):
        make_term("iic", dim=DIM, intra="reversed")


def test_batches_that_do_not_fit_are_told(batch):
    with pytest.raises(ShapeError, match="64"):
        LatentBatch([], [], torch.zeros(1, 5, 4), [], [], batch.grid)
    with pytest.raises(ShapeError, match="3 channels"):
        LatentBatch([torch.zeros(1, 5, 3)], [], batch.h, [], [], batch.grid)
    with pytest.raises(ShapeError, match="made for 8 channels and got 16"):
        make_term("ld", dim=8)(batch)
    batch.clip = None
    with pytest.raises(ShapeError, match="pixels"):
        build("ac", {})(batch)
    batch.zhat_ctx = []
    with pytest.raises(ShapeError, match="zhat_ctx"):
        build("context", {})(batch)
    short = LatentBatch(
        [], [], torch.zeros(1, 48, DIM), [], [], Grid(3, 4, 4, S["tubelet"], S["patch"])
    )
    with pytest.raises(ShapeError, match=r"'spectral' needs at least 4 time steps.*has 3"):
        build("spectral", {})(short)


def test_every_term_says_what_it_is():
    for name, term in TERMS.items():
        assert term.name == name and term.formula and term.source and term.__doc__
