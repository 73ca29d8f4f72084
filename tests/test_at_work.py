"""Terms, masks and encoders looked at: against plain forms, and on encoders made for it."""

import numpy as np
import pandas as pd
import pytest
import torch

from vjepa_lib import study
from vjepa_lib.analysis import at_work, colours, encoders, masks
from vjepa_lib.model.grid import Grid
from vjepa_lib.model.masking import motion_map
from vjepa_lib.show import plots, strips
from vjepa_lib.training.collapse import same_weights
from vjepa_lib.training.pretrain import Trainer


@pytest.fixture(scope="module")
def trainer():
    return Trainer(study.resolve("baseline", "released", "smoke", 0).train)


@pytest.fixture(scope="module")
def sample(smoke_sets):
    return smoke_sets["pre_videos"]


@pytest.fixture(scope="module")
def batch(trainer, sample):
    return at_work.latents(trainer, sample.batch(slice(0, 4)))


@pytest.fixture
def stored(monkeypatch):
    """Encoders made here stand in for finished runs; LTC's is another one than the start's."""

    def encoder(config):
        seed = config.seed + 7 * (config.variant == "ltc")
        setup = study.resolve("baseline", "released", "smoke", seed).train
        return Trainer(setup).evaluated.requires_grad_(False).eval()

    monkeypatch.setattr(study, "load_encoder", encoder)
    return encoder


# --- a batch --------------------------------------------------------------------------------------


def test_hard_weights_spread_as_the_temperature_falls(batch):
    error = at_work.prediction_errors(batch)
    assert error.shape == batch.target_index[0].shape and not error.requires_grad
    by_hand = (batch.zhat[0][1, 2] - batch.h[1, batch.target_index[0][1, 2]]).abs().mean()
    assert error[1, 2] == pytest.approx(float(by_hand))
    table = at_work.weight_spread(error, (1e6, 1.0, 0.01)).set_index("temperature")
    assert table["std"].is_monotonic_increasing and table["highest"].is_monotonic_increasing
    even = table.loc[1e6]
    assert (even.lowest, even.highest) == pytest.approx((1, 1), abs=1e-4)
    worst = error.topk(max(1, error.shape[1] // 10)).values.sum() / error.sum()
    assert even["loss on the worst tenth (%)"] == pytest.approx(100 * float(worst), rel=1e-4)


def test_tokens_and_their_weights_are_listed(batch):
    error = at_work.prediction_errors(batch)
    table = at_work.token_weights(error, (1.0,))
    assert len(table) == error.numel() and table.iloc[:, 1].mean() == pytest.approx(1)
    first = at_work.weights_of_first_clip(error, 1.0)
    assert first.weight.tolist() == table.iloc[: error.shape[1], 1].tolist()


def test_pairs_are_counted_as_a_loop_counts_them(batch):
    grid, step = batch.grid, batch.grid.h * batch.grid.w
    table = at_work.pair_counts(batch)
    for g in batch.groups:
        sets = [set(row.tolist()) for row in batch.context_index[g]]
        pairs = [sum(i + step in own for i in own) for own in sets]
        row = table.iloc[g]
        assert row.pairs == pytest.approx(np.mean(pairs))
        assert row["of all possible pairs (%)"] == pytest.approx(
            100 * np.mean(pairs) / (grid.n - step)
        )
        always = [sum(all(p + t * step in own for t in range(grid.t)) for p in range(step))
                  for own in sets]  # fmt: skip
        assert at_work.always_context(batch)[g].sum(1).tolist() == always
        compared = at_work.compared_counts(batch).iloc[g]
        assert compared["places always context (spectral)"] == pytest.approx(np.mean(always))
        assert compared["pairs (delta, LTC)"] == row.pairs and compared.places == step


def test_speed_and_the_slower_half(batch):
    speed = at_work.target_speed(batch)
    step = batch.grid.h * batch.grid.w
    assert speed[1, 0, 3] == pytest.approx(float((batch.h[1, step + 3] - batch.h[1, 3]).norm()))
    slow = at_work.slower_half(speed)
    assert (slow.float().mean(-1) == 0.5).all()
    assert speed[slow].max() <= speed.max() and speed[0, 0][slow[0, 0]].max() < speed[0, 0].max()
    table = at_work.speeds(speed)
    assert table["fastest"].tolist() == pytest.approx(speed.flatten(1).max(1).values.tolist())


def test_reach_of_both_forms(smoke_sets):
    clips = smoke_sets["pre_videos"].batch(slice(0, 4))
    table = at_work.reach_of_forms(
        "hw_ld", "smoke", 0, clips, terms=("ld",), without=("target_encoder",)
    )
    assert set(table.term) == {"ld"} and "target_encoder" not in set(table.part)
    reaches = table.groupby("form").reaches.any()
    assert not reaches["released"] and reaches["described"]
    assert {"jepa", "hw", "ld"} <= set(at_work.reach_of_forms("hw_ld", "smoke", 0, clips).term)


def test_a_trainer_takes_the_weights_of_a_finished_run(stored):
    baseline, ltc = (study.resolve(v, "released", "smoke", 0) for v in ("baseline", "ltc"))
    trainer = at_work.trainer_with(baseline, ltc)
    for network in (trainer.context_encoder, trainer.target_encoder):
        assert same_weights(network, stored(ltc))
        assert not same_weights(network, stored(baseline))


def test_margins_of_ltc(stored, smoke_sets):
    clips = smoke_sets["pre_motions"].batch(slice(0, 4))
    runs = {"start": "random_init", "other": "ltc"}
    table = at_work.ltc_margins("smoke", 0, clips, runs).set_index("encoder")
    assert table.loc["start"].tolist() != table.loc["other"].tolist()
    none = at_work.ltc_margins("smoke", 0, clips, runs, margin=-3.0)
    every = at_work.ltc_margins("smoke", 0, clips, runs, margin=3.0)
    assert none["pairs within the margin (%)"].tolist() == [0, 0]
    assert every["pairs within the margin (%)"].tolist() == [100, 100]


def test_stills_take_no_part_in_iic(smoke_sets):
    clips = [smoke_sets[d].batch(slice(0, 1)) for d in ("pre_videos", "pre_stills")]
    table = at_work.taking_part(("video", "still"), torch.cat(clips))
    assert table["takes part"].tolist() == [True, False]


# --- masks ----------------------------------------------------------------------------------------


def test_hiding_is_compared_with_motion():
    grid = Grid(2, 4, 4)
    motion = torch.full((2, 4, 4), 0.1)
    motion[0, :, 3] = 1.0
    motion[1, 0, :] = 1.0
    hidden = masks.hidden_by_kind(("multiblock", "amg"), motion, grid, draws=60)
    table = masks.hiding_follows_motion(motion, hidden)
    assert table[["clip", "masking"]].values.tolist() == [
        [1, "multiblock"], [1, "amg"], [2, "multiblock"], [2, "amg"]
    ]  # fmt: skip
    found = table.set_index(["clip", "masking"])["correlation with motion"]
    assert found[1, "amg"] > 0.5 > abs(found[1, "multiblock"])
    places = masks.hidden_places(motion, hidden)
    own = places[(places["clip"] == 2) & (places.masking == "amg")]
    assert own.hidden.corr(own.motion) == pytest.approx(found[2, "amg"], abs=1e-5)
    assert (100 * own.hidden.mean()) == pytest.approx(table["hidden (%)"].iloc[3], abs=1e-4)


def test_masks_are_drawn_and_counted(sample, smoke):
    grid = smoke.encoder.grid
    drawn = masks.draw_masks(("multiblock", "future_predictive"), grid, sample.batch(slice(0, 1)))
    sizes = masks.mask_sizes(drawn, grid).set_index(["masking", "group"])
    assert list(sizes.index) == list(drawn) and (sizes.tokens == grid.n).all()
    context, target = drawn["future_predictive", 1]
    assert sizes.context["future_predictive", 1] == context.shape[1]
    assert context.max() < grid.n // 2  # nothing of the second half is seen
    rows = strips.predicted(sample.frames[0], drawn, grid)
    assert [title for title, _, _ in rows][2] == "future predictive, 1"
    assert rows[2][2].sum() == target.shape[1]


def test_clips_with_an_object_are_found(sample):
    rows = masks.clips_with_object(sample, 2)
    assert len(rows) == 2 and (sample.manifest["shape"].iloc[rows] != "none").all()


# --- colours --------------------------------------------------------------------------------------


def test_colours_change_where_something_moves(smoke_sets, smoke):
    grid = smoke.encoder.grid
    kinds = colours.clips_by_movement(smoke_sets, 4)
    changes = {
        k: colours.colour_change(smoke_sets[d].batch(i), grid) for k, (d, i) in kinds.items()
    }
    table = colours.change_sizes(changes).set_index("clips")["mean |change|"]
    assert table["the camera moves"] > table["nothing moves"] > 0
    assert table["one frame held"] == pytest.approx(0, abs=1e-2)
    still = smoke_sets["pre_motions"].manifest["camera"].iloc[kinds["nothing moves"][1]]
    assert (still == "still").all()


def test_colour_change_is_that_of_mean_colours():
    grid, clip = Grid(2, 1, 2), torch.zeros(1, 3, 4, 16, 32)
    clip[:, 0, 2:, :, 16:] = 3.0  # red, right half, second time step
    assert colours.colour_change(clip, grid).tolist() == [[[0, pytest.approx(1.0)]]]


def test_marks_without_seeing_the_next_step(smoke_sets, smoke):
    regime = {"pre_videos": 0.75, "pre_stills": 0.25}
    marks = colours.loss_without_seeing(smoke_sets, regime, smoke.encoder.grid, 0.2)
    size = colours.colour_change(
        smoke_sets["pre_videos"].batch(slice(0, 128)), smoke.encoder.grid
    ).mean()
    assert marks["always 0"] == pytest.approx(0.75 * float(size), rel=0.1)
    assert marks["noise unknown"] == pytest.approx(0.75 * 0.2 / 2**0.5)
    late = pd.DataFrame({"variant": ["ac"], "form": ["released"], "name": ["ac"], "loss": [0.1]})
    (row,) = colours.loss_and_marks(late, marks).to_dict("records")
    assert row["AC's loss, last tenth"] == 0.1 and row["always 0"] == marks["always 0"]


# --- encoders -------------------------------------------------------------------------------------


class Stand(torch.nn.Module):
    """An encoder whose tokens are given: [N, D], the same for every clip."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens = torch.nn.Parameter(tokens)

    def forward(self, clips):
        return self.tokens.expand(len(clips), -1, -1)


@pytest.fixture
def stand(monkeypatch, smoke):
    """Random tokens for the start, tokens that never change over time for the baseline."""
    grid = smoke.encoder.grid
    noise = torch.randn(grid.n, 64, generator=torch.Generator().manual_seed(0))
    held = noise.unflatten(0, (grid.t, -1))[:1].expand(grid.t, -1, -1).flatten(0, 1)

    def encoder(config):
        tokens = {"baseline": held, "ltc": 5 + noise}.get(config.variant, noise)
        return Stand(tokens.clone()).requires_grad_(False)

    monkeypatch.setattr(study, "load_encoder", encoder)
    return torch.zeros(3, 3, 8, 32, 32)


def test_change_over_time_of_a_held_latent_is_none(stand):
    pairs = [("random_init", "released"), ("baseline", "released")]
    table = encoders.change_over_time(pairs, "smoke", 0, {"moving": stand}).set_index("name")
    # |a - b| of independent normals is sqrt(2) times |a|.
    assert table.moving["random_init"] == pytest.approx(2**0.5, rel=0.05)
    assert table.moving["baseline"] == 0


def test_spectra_and_neighbours(stand):
    table = encoders.temporal_spectra(("random_init", "baseline"), "smoke", 0, stand)
    table = table.set_index("variant")
    assert table[encoders.NEIGHBOURS]["baseline"] == pytest.approx(1)
    assert abs(table[encoders.NEIGHBOURS]["random_init"]) < 0.1
    assert table["frequency 1"]["baseline"] == pytest.approx(0, abs=1e-5)
    assert table["frequency 1"]["random_init"] == pytest.approx(1, rel=0.3)


def test_a_shifted_latent_is_not_normal(stand):
    pairs = [("random_init", "released"), ("ltc", "released")]
    table = encoders.normality(pairs, "smoke", 0, stand[:1]).set_index("variant")
    assert table["Epps-Pulley"]["ltc"] > 10 * table["Epps-Pulley"]["random_init"]
    assert table["channel mean |.|"]["ltc"] == pytest.approx(5, abs=0.1)
    assert table["channel std"].tolist() == pytest.approx([1, 1], abs=0.1)


def test_clips_an_encoder_cannot_tell_apart_are_all_alike(stand):
    (row,) = encoders.view_similarities(["baseline"], "smoke", 0, stand).to_dict("records")
    assert list(row.values())[1:] == pytest.approx([1, 1, 1])


def test_views_are_told_apart_by_an_encoder_that_sees(stored, smoke_sets):
    clips = smoke_sets["pre_videos"].batch(slice(0, 4))
    (row,) = encoders.view_similarities(["baseline"], "smoke", 0, clips).to_dict("records")
    assert row["to its residual view"] < row["to itself, time broken"] < 1


def test_distance_from_the_start_is_a_mean_over_seeds(monkeypatch):
    rows = pd.DataFrame({"name": ["a", "a"], "cosine": [0.2, 0.4], "weights": [1.0, 3.0]})
    monkeypatch.setattr(encoders, "moved_from_start", lambda *_: rows)
    (row,) = encoders.mean_moved([], torch.empty(0)).to_dict("records")
    assert row["cosine of tokens"] == pytest.approx(0.3) and row["distance of weights"] == 2


# --- strips ---------------------------------------------------------------------------------------


def masks_of(rows):
    return {title: mask for title, _, mask in rows}


def test_strips_show_what_is_hidden_weighted_and_gated(sample, batch):
    error = at_work.prediction_errors(batch)
    shown = masks_of(strips.targets_and_weights(sample.frames, batch, error, 0.1, clips=1))
    assert shown["clip 1: targets"].sum() == error.shape[1]
    weight = shown["weight"]
    assert weight.max() == 1 and (weight[~shown["clip 1: targets"]] == 0).all()
    place = batch.target_index[0][0, error[0].argmax()]
    assert weight.reshape(-1)[place] == 1  # the worst token weighs most

    both = strips.weights_and_speed(sample.frames, batch, error, 0.1, clips=1)
    assert [title for title, _, _ in both] == ["clip 1", "HW weight", "|h(t+1) - h(t)|"]
    assert both[2][2].min() == 0 and both[2][2].max() == 1 and (both[2][2][-1] == 0).all()

    gate = masks_of(strips.speed_and_gate(sample.frames, batch, clips=1))["gate"]
    assert gate.dtype == bool and gate[:-1].mean() == 0.5 and not gate[-1].any()


def test_strips_show_context_and_pairs(sample, batch):
    rows = strips.context_and_pairs(sample.frames, batch)
    assert len(rows) == 2 * len(batch.groups)
    context, pairs = rows[0][2], rows[1][2]
    assert context.sum() == batch.context_index[0].shape[1]
    assert (pairs[:-1] == (context[:-1] & context[1:])).all() and not pairs[-1].any()
    places = strips.pairs_and_places(sample.frames, batch)
    most = max(int(sum(a[i].sum() for a in at_work.always_context(batch))) for i in range(4))
    assert sum(int(mask.sum()) for _, _, mask in places[1::2]) == most


def test_strips_of_colours_views_and_domains(smoke_sets, smoke):
    grid = smoke.encoder.grid
    kinds = colours.clips_by_movement(smoke_sets, 2)
    changes = {
        k: colours.colour_change(smoke_sets[d].batch(i), grid) for k, (d, i) in kinds.items()
    }
    rows = strips.colour_changes(smoke_sets, kinds, changes, grid)
    assert max(mask.max() for _, _, mask in rows[1::2]) == pytest.approx(1)
    clips = torch.cat([smoke_sets[d].batch(slice(0, 1)) for d in ("pre_videos", "pre_stills")])
    views = strips.iic_views(("video", "still"), clips, 0)
    assert [t for t, _, _ in views][:4] == ["video", "  residual", "  shuffled", "  repeated"]
    held = views[3][1]
    assert (held == held[:1]).all() and not (views[0][1] == views[0][1][:1]).all()
    first = strips.first_clips(smoke_sets, ["actions"])
    assert np.array_equal(first[0][1], smoke_sets["actions"].frames[0].numpy())
    assert plots.clips(rows + views, every=2).axes


def test_the_figure_of_hiding_names_its_columns(sample, smoke):
    grid = smoke.encoder.grid
    motion = motion_map(sample.batch(slice(0, 2)), grid)
    hidden = masks.hidden_by_kind(("multiblock",), motion, grid, draws=3)
    fig = strips.motion_and_hiding(sample.frames[:2], motion, hidden)
    assert [ax.get_title() for ax in fig.axes[:3]] == ["first frame", "motion", "multiblock"]
