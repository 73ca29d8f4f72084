"""Every objective gives its golden value and gradient norms, in both forms what they claim."""

import json
import math
from pathlib import Path

import pytest
import torch

from vjepa_lib.errors import ConfigError, ShapeError
from vjepa_lib.grid import Grid, gather
from vjepa_lib.objectives import TERMS, LatentBatch, Objective, halves, make_term
from vjepa_lib.objectives.contrastive import info_nce
from vjepa_lib.objectives.sigreg import epps_pulley
from vjepa_lib.objectives.views import VIEWS

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
        z=[wave(0.11 + k + 0.05 * m, (b, c.shape[1], DIM)).requires_grad_() for m, c in enumerate(ctx)],
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


def test_masked_terms_equal_their_obvious_form(batch):
    """Boolean indexing, one group at a time, as the formulas are written."""
    values = []
    for z, index in zip(batch.z, batch.context_index, strict=True):
        total, count = 0.0, 0
        place = {int(i): j for j, i in enumerate(index[0])}
        hw = batch.grid.h * batch.grid.w
        for b in range(len(z)):
            place = {int(i): j for j, i in enumerate(index[b])}
            for i, j in place.items():
                if i + hw in place:
                    dz = z[b, place[i + hw]] - z[b, j]
                    dh = batch.h[b, i + hw] - batch.h[b, i]
                    total += float((dz - dh).abs().mean().detach())
                    count += 1
        values.append(total / count)
    assert float(build("delta", {})(batch).detach()) == pytest.approx(sum(values) / 2, rel=1e-5)


def test_hard_weights_prefer_hard_tokens(batch):
    uniform = float(build("jepa", {})(batch).detach())
    assert float(build("hw", {})(batch).detach()) > uniform
    assert float(build("hw", {"temperature": 1e6})(batch).detach()) == pytest.approx(uniform, rel=1e-4)


def test_context_weight_is_one_over_root_distance(batch):
    grid = batch.grid
    values = []
    for g in range(2):
        c, t = batch.context_index[g], batch.target_index[g]
        def place(i):
            return torch.stack([i // 16, i // 4 % 4, i % 4], -1).float()
        d = torch.cdist(place(c), place(t)).amin(-1)
        e = (batch.zhat_ctx[g] - gather(batch.h, c)).abs().mean(-1)
        values.append(float((e / d.sqrt()).mean().detach()))
    assert grid.n == 64
    assert float(build("context", {})(batch).detach()) == pytest.approx(sum(values) / 2, rel=1e-6)


def test_kinematic_anneals_to_zero(batch):
    term = build("kinematic", {"anneal": True})
    batch.progress = 1.0
    assert float(term(batch)) == pytest.approx(0, abs=1e-6)


def test_epps_pulley_equals_its_definition_and_tells_normal_from_not():
    g = torch.Generator().manual_seed(0)
    x = torch.randn(400, 3, generator=g)
    t = torch.linspace(-3, 3, 33)
    phi = torch.exp(1j * x[:, :, None] * t).mean(0)
    integrand = (phi - torch.exp(-(t**2) / 2)).abs() ** 2 * torch.exp(-(t**2) / 2)
    assert torch.allclose(epps_pulley(x), 400 * torch.trapezoid(integrand, t), rtol=1e-3)
    assert float(epps_pulley(3 * x).mean()) > 10 * float(epps_pulley(x).mean())


def test_info_nce_of_equal_similarities_is_log_count():
    q = torch.nn.functional.normalize(torch.ones(3, 4), dim=-1)
    value = info_nce(q, q, q[:1].expand(7, -1), 0.1)
    assert float(value) == pytest.approx(math.log(8), rel=1e-5)


def pooled(batch):
    return {v: wave(0.3 + 0.1 * i, (S["B"], DIM)).requires_grad_() for i, v in enumerate(VIEWS)}


@pytest.mark.parametrize("channels", ["all", "appearance", "dynamics"])
@pytest.mark.parametrize("name", ["ltc", "iic", "vclr"])
@pytest.mark.parametrize("form", ["released", "described"])
def test_contrast_touches_only_its_channels(name, channels, form, batch):
    batch.views = pooled(batch)
    make_term(name, form, dim=DIM, channels=channels)(batch).backward()
    touched = sum((z.grad.abs().sum((0, 1)) for z in batch.z if z.grad is not None))
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
    assert float(with_intra(batch)) > float(without(batch))


def test_vclr_queue_remembers_keys_and_wraps(batch):
    term = make_term("vclr", dim=DIM, queue=3)
    term(batch)
    assert int(term.queue_start) == 2 and float(term.queue[2].abs().sum()) == 0
    term(batch)
    assert int(term.queue_start) == 1 and float(term.queue[2].abs().sum()) > 0
    term.eval()
    term(batch)
    assert int(term.queue_start) == 1


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


def test_mistakes_are_told_in_one_sentence(batch):
    with pytest.raises(ConfigError, match="'nope': choose one of jepa|'nope'.*jepa"):
        make_term("nope", dim=DIM)
    with pytest.raises(ConfigError, match="options"):
        make_term("hw", dim=DIM, tau=3)
    with pytest.raises(ConfigError, match="released, described"):
        make_term("hw", "imagined", dim=DIM)
    with pytest.raises(ConfigError, match="acceleration"):
        make_term("kinematic", dim=DIM, kind="jerk")
    with pytest.raises(ShapeError, match="64"):
        LatentBatch([], [], torch.zeros(1, 5, 4), [], [], batch.grid)
    batch.clip = None
    with pytest.raises(ShapeError, match="pixels"):
        build("ac", {})(batch)
    for term in TERMS.values():
        assert term.formula and term.source and term.__doc__
