"""Figures and tables: what is written, that it is the same each time, and that colours differ."""

import json
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import seaborn as sns
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from vjepa_lib.errors import ConfigError, DataError, ShapeError
from vjepa_lib.show import look, plots, report
from vjepa_lib.show.gallery import RECORDED, Gallery, read_index, write_index
from vjepa_lib.show.look import FAMILIES, family, label, marker
from vjepa_lib.show.plots import frames as frames_module
from vjepa_lib.show.tables import format_cell, format_table
from vjepa_lib.study.titles import spelt, spelt_in
from vjepa_lib.study.variants import VARIANTS

FRAME = pd.DataFrame(
    {
        "variant": ["baseline", "fwm", "ld", "baseline", "fwm"],
        "benchmark": ["ssv2"] * 3 + ["diving48"] * 2,
        "top1": [8.4, 7.0, 13.4, 8.7, 7.2],
        "low": [8.0, 6.7, 13.0, 7.5, 6.1],
        "high": [8.8, 7.3, 13.8, 10.0, 8.4],
    }
)


@pytest.fixture
def gallery(tmp_path):
    return Gallery(tmp_path / "out", "07_factorial", "mini", "abc123")


def points_of(ax) -> list[tuple[float, float, bool]]:
    """(x, y, filled) of every point."""
    found = []
    for points in ax.collections:
        if isinstance(points, PathCollection):
            faces = np.broadcast_to(points.get_facecolor(), (len(points.get_offsets()), 4))
            found += [
                (float(x), float(y), bool((face != 1).any()))
                for (x, y), face in zip(points.get_offsets(), faces, strict=True)
            ]
    return found


def intervals_of(collection) -> list:
    """Lines of the intervals, if the collection is theirs."""
    return collection.get_paths() if isinstance(collection, LineCollection) else []


def draw() -> Figure:
    return plots.intervals(FRAME, "top1", panel="benchmark", references={"ssv2": {"baseline": 8.4}})


def test_figure_writes_png_svg_csv_and_where_it_is_from(gallery):
    gallery.figure(draw(), "effects", FRAME, "What is seen.", runs=["r2", "r1", "r1"])
    names = sorted(p.name for p in gallery.folder.iterdir())
    want = [f"07_effects.{s}" for s in ("csv", "json", "png", "svg")]
    assert names == [*want, "index.json"]
    pd.testing.assert_frame_equal(pd.read_csv(gallery.folder / "07_effects.csv"), FRAME)
    entry = json.loads((gallery.folder / "07_effects.json").read_text())
    assert entry["runs"] == ["r1", "r2"] and entry["commit"] == "abc123"
    assert entry["notebook"] == "07_factorial" and entry["kind"] == "figure"
    assert all((gallery.folder / f).is_file() for f in entry["files"])


def test_the_same_figure_is_the_same_bytes(gallery, tmp_path):
    other = Gallery(tmp_path / "again", "07_factorial", "mini", "abc123")
    for g in (gallery, other):
        g.figure(draw(), "effects", FRAME, "What is seen.")
    for path in gallery.folder.iterdir():
        assert path.read_bytes() == (other.folder / path.name).read_bytes(), path.name
    svg = (gallery.folder / "07_effects.svg").read_text()
    assert "<dc:date>" not in svg


def test_table_writes_csv_markdown_latex(gallery):
    table = pd.DataFrame(
        {"variant": ["a|b", "c_d"], "top1": [1.23456, np.nan], "n": [3, 4], "clear": [True, False]}
    )
    gallery.table(table, "numbers", "Numbers.", digits={"top1": 1})
    markdown = (gallery.folder / "07_numbers.md").read_text()
    assert "a\\|b" in markdown and "1.2 " in markdown and "–" in markdown and "yes" in markdown
    latex = (gallery.folder / "07_numbers.tex").read_text()
    assert "c\\_d" in latex and "\\toprule" in latex
    assert pd.read_csv(gallery.folder / "07_numbers.csv")["top1"][0] == 1.23456
    assert read_index(gallery.folder)[0]["shown"] == []


def test_live_and_recorded_runs_are_marked(gallery, tmp_path):
    both = FRAME.assign(source=["mini, live"] * (len(FRAME) - 1) + ["small, recorded"])
    gallery.figure(draw(), "both", both, "What is seen.")
    gallery.table(both[both.source == "small, recorded"], "old", "Numbers.")
    gallery.table(FRAME.assign(source="arXiv 2605.17165"), "facts", "Facts.")
    shown = {e["name"]: e for e in read_index(gallery.folder)}
    assert shown["07_both"]["shown"] == ["mini, live", "small, recorded"]
    assert shown["07_old"]["shown"] == ["small, recorded"]
    assert RECORDED in shown["07_old"]["sources"] and shown["07_facts"]["shown"] == []
    page = report.build(gallery.folder, tmp_path / "runs").read_text()
    assert "mini, live; small, recorded</span>" in page


def test_intervals_far_wider_than_the_effects_are_cut_and_marked():
    frame = pd.DataFrame(
        {"variant": ["hw", "ld"], "effect": [1.0, 4.0], "low": [-200.0, 3.0], "high": [202.0, 5.0]}
    )
    ax = plots.intervals(frame, "effect", zero=True).axes[0]
    left, right = ax.get_xlim()
    assert -20 < left < 0 and 5 < right < 20
    heads = [line for line in ax.lines if line.get_marker() in "<>" and len(line.get_xdata()) == 1]
    assert {(h.get_marker(), h.get_xdata()[0]) for h in heads if h.get_ms() == 3} == {
        ("<", left), (">", right),
    }  # fmt: skip
    narrow = plots.intervals(frame.assign(low=[0.0, 3.0], high=[2.0, 5.0]), "effect").axes[0]
    assert narrow.get_xlim()[0] <= 0 and narrow.get_xlim()[1] >= 5


def test_long_texts_wrap_in_latex():
    table = pd.DataFrame({"id": ["C1"], "claim": ["word " * 30]})
    assert "{lp{0.88\\textwidth}}" in format_table(table, kind="latex")
    with pytest.raises(ConfigError, match="markdown, latex"):
        format_table(table, kind="html")


def test_index_lists_all_artefacts_and_forgets_deleted_ones(gallery):
    gallery.figure(draw(), "effects", FRAME, "One.")
    gallery.table(FRAME, "numbers", "Two.")
    index = json.loads((gallery.folder / "index.json").read_text())
    assert [e["name"] for e in index] == ["07_effects", "07_numbers"]
    (gallery.folder / "07_effects.svg").unlink()  # cleaned away
    write_index(gallery.folder)
    assert [e["name"] for e in read_index(gallery.folder)] == ["07_numbers"]
    (gallery.folder / "broken.json").write_text("[1]")
    with pytest.raises(DataError, match=r"broken.json"):
        read_index(gallery.folder)


def test_bad_names_and_folders(gallery, tmp_path):
    with pytest.raises(ConfigError, match="small letters"):
        gallery.table(FRAME, "../escape", "x")
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be made"):
        Gallery(tmp_path / "file" / "sub", "07_x").table(FRAME, "a", "x")


def test_every_variant_of_the_study_has_a_colour_and_a_look_of_its_own():
    for name, variant in VARIANTS.items():
        assert variant.family in FAMILIES, f"no colour for family {variant.family}"
        assert family(name) == variant.family
    looks = [(family(v), marker(v), look.colour(v)) for v in VARIANTS]
    assert len(set(looks)) == len(looks)
    assert family("fwm+ltc") == "combination" or "fwm+ltc" in VARIANTS
    assert family("something_new") == "other"
    assert look.colour("something_new") == look.colour("something_new")


def test_families_differ_for_colour_blind_readers():
    # Machado, Oliveira & Fernandes 2009, severity 1, on linear RGB.
    simulate = {
        "normal": np.eye(3),
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
    }
    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )

    def lab(colour: str, matrix) -> np.ndarray:
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        xyz = to_xyz @ np.clip(np.asarray(matrix) @ linear, 0, 1) / (0.9505, 1.0, 1.089)
        f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
        return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])

    names = [n for n in FAMILIES if n not in ("untrained", "other")]
    for kind, matrix in simulate.items():
        for a, b in combinations(names, 2):
            gap = np.linalg.norm(lab(FAMILIES[a], matrix) - lab(FAMILIES[b], matrix))
            assert gap > 8, (kind, a, b, gap)


def test_labels():
    assert label("fwm_hw_ld") == "FWM-HW-LD"
    assert label("imagenet100") == "ImageNet-100"
    assert label("motion_guided") == "Motion guided"
    assert label("fwm+ltc") == "FWM + LTC"
    assert label("K1") == "K1"
    assert label("fwm_ld (described)") == "FWM-LD (described)"


def test_names_are_spelt_in_sentences():
    assert spelt("fwm+vclr (described)") == "FWM as described with VCLR"
    assert spelt("fwm_hw_ld+vclr_dynamics (described)") == (
        "FWM-HW-LD as described with VCLR on its dynamics half"
    )
    assert spelt("shift_hacs") == "shift (HACS)" and spelt("ld+vclr") == "LD with VCLR"
    said = "ld above the baseline on ssv2, so fwm_hw_ld holds; the kinematic term"
    names = ("ld", "fwm_hw_ld", "ssv2", "kinematic")
    assert spelt_in(said, names) == (
        "LD above the baseline on SSv2, so FWM-HW-LD holds; the kinematic term"
    )


def test_the_forms_of_a_variant_share_its_colour_and_differ_in_line():
    assert look.colour("fwm_ld (described)") == look.colour("fwm_ld")
    assert look.line("fwm_ld (described)") != look.line("fwm_ld")


def test_intervals_put_each_dot_on_its_row_and_series():
    fig = plots.intervals(
        pd.concat([FRAME.assign(form="a"), FRAME.iloc[:2].assign(form="b", top1=20.0)]),
        "top1",
        panel="benchmark",
        series="form",
        zero=True,
        band={"ssv2": 1.0},
    )
    first, second = fig.axes
    assert first.get_title() == "SSv2" and second.get_title() == "Diving-48"
    dots = points_of(first)
    assert sorted(x for x, _, _ in dots) == [7.0, 8.4, 13.4, 20.0, 20.0]
    assert [y for x, y, _ in dots if x == 13.4] == [2]  # alone in its row: not shifted
    assert [filled for x, _, filled in dots if x == 20.0] == [False, False]
    assert all(filled for x, _, filled in dots if x != 20.0)
    spans = [path.vertices[:, 0] for c in first.collections for path in intervals_of(c)]
    assert sorted(map(tuple, spans))[:2] == [(6.7, 7.3), (6.7, 7.3)]  # FWM, in both forms


def test_heatmap_shows_numbers_and_gaps():
    table = pd.DataFrame({"ssv2": [1.0, np.nan]}, index=["fwm", "ld"])
    fig = plots.heatmap(table, mark=pd.DataFrame({"ssv2": [True, False]}))
    texts = {t.get_text(): t.get_fontweight() for t in fig.axes[0].texts}
    assert texts == {"+1.0": "bold", "n/a": "normal"}
    plots.heatmap(table, centre=None)


def test_tradeoff_labels_do_not_lie_on_each_other():
    frame = pd.DataFrame(
        {
            "variant": ["baseline", "fwm", "ld", "hw", "ac"],
            "x": [1, 1.02, 1.04, 3, 3.01],
            "y": [1, 1.01, 0.99, 3, 3.02],
        }
    )
    fig = plots.tradeoff(frame, "x", "y", references=["baseline"])
    fig.draw_without_rendering()
    boxes = [t.get_window_extent() for t in fig.axes[0].texts]
    assert len(boxes) == 5
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_effects_curves_shares_draw_what_they_are_given():
    table = pd.DataFrame(
        {
            "effect": ["fwm", "ld", "fwm:ld"],
            "order": [1, 1, 2],
            "estimate": [1.0, 2.0, 0.1],
            "low": [0.5, 1.0, -0.4],
            "high": [1.5, 3.0, 0.6],
        }
    )
    ax = plots.effects(table).axes[0]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["FWM", "LD", "FWM × LD"]
    assert [x for x, _, filled in points_of(ax) if not filled] == [0.1]
    assert [x for x, _, filled in points_of(ax) if filled] == [1.0, 2.0]

    steps = pd.DataFrame(
        {
            "variant": "fwm",
            "seed": [0, 0, 1, 1],
            "step": [0, 1, 0, 1],
            "loss": [2.0, 1, 4, 3],
            "rank_me": [np.nan] * 4,
        }
    )
    axes = plots.curves(steps, ["loss", "rank_me"]).axes
    np.testing.assert_allclose(axes[0].lines[0].get_ydata(), [3, 2])  # mean over seeds
    assert not axes[1].lines

    terms = pd.DataFrame({"step": [0, 0, 1], "term": ["jepa", "ld", "jepa"], "value": [3.0, 1, 2]})
    left, right = plots.shares(terms).axes
    np.testing.assert_allclose(left.lines[0].get_ydata(), [4, 2])
    top = right.collections[0].get_paths()[0].vertices
    assert {75.0, 100.0} <= {round(float(v), 6) for v in top[:, 1]}


def test_clips_tint_exactly_the_masked_tokens():
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    mask = np.zeros((2, 2, 2), bool)
    mask[1, 0, 1] = True  # second time step, top right
    fig = plots.clips(
        [("clip", frames, None), ("mask", frames, mask)], mask_colour="#FFFFFF", opacity=0.5
    )
    shown = [np.asarray(ax.images[0].get_array()) for ax in fig.axes]
    assert all((s == 0).all() for s in shown[:6])
    want = np.zeros((8, 8, 3))
    want[:4, 4:] = 0.5
    for s in shown[6:]:
        np.testing.assert_allclose(s, want)


@pytest.mark.parametrize("colour", ["#000000", "#FFFFFF", "#EE7733", "#808080"])
def test_hatched_tokens_differ_from_a_clip_of_any_colour(colour):
    """Light and dark lie side by side in what is hidden; what is seen stays as it is."""
    frames = np.broadcast_to(np.array(to_rgb(colour)), (2, 8, 8, 3))
    mask = np.array([[False, True], [False, False]])
    shown = frames_module.overlay("x", frames, mask, hatched=True)
    hidden = shown[:, :4, 4:]
    assert hidden.max() - hidden.min() > 0.4 and np.ptp(hidden, axis=-1).max() == 0
    shown[:, :4, 4:] = frames[:, :4, 4:]
    np.testing.assert_array_equal(shown, frames)


def test_clips_refuse_other_shapes():
    frames = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(ShapeError, match=r"\[F, H, W, 3\]"):
        plots.clips([("x", frames.transpose(0, 3, 1, 2), None)])
    with pytest.raises(ShapeError, match="3 x 3 tokens"):
        plots.clips([("x", frames, np.zeros((2, 3, 3)))])


def test_seaborn_draws_what_it_has_a_plot_for_and_leaves_no_figure_open(monkeypatch):
    drawn = []
    init = sns.FacetGrid.__init__  # facets are a class of their own made of it

    def begun(self, *args, **kwargs):
        drawn.append("FacetGrid")
        init(self, *args, **kwargs)

    monkeypatch.setattr(sns.FacetGrid, "__init__", begun)
    for name in ("scatterplot", "lineplot", "heatmap"):
        real = getattr(sns, name)
        monkeypatch.setattr(
            sns, name, lambda *a, real=real, name=name, **k: drawn.append(name) or real(*a, **k)
        )
    draw()
    assert drawn[0] == "FacetGrid" and set(drawn[1:]) == {"scatterplot"}
    drawn.clear()
    plots.heatmap(pd.DataFrame({"ssv2": [1.0]}, index=["fwm"]))
    plots.tradeoff(pd.DataFrame({"variant": ["fwm", "ld"], "x": [1, 2], "y": [1, 2]}), "x", "y")
    plots.curves(pd.DataFrame({"variant": "fwm", "seed": 0, "step": [0, 1], "loss": 1.0}), ["loss"])
    assert drawn == ["heatmap", "scatterplot", "FacetGrid", "lineplot"]
    # A notebook would show an open figure a second time.
    assert not plt.get_fignums()


def test_numbers_on_a_heat_map_stand_out_from_their_cell():
    table = pd.DataFrame([np.linspace(-1, 1, 21)], index=["fwm"])
    ax = plots.heatmap(table).axes[0]
    cells = ax.collections[0]
    for text, value in zip(ax.texts, table.iloc[0], strict=True):
        cell = np.dot(cells.cmap(cells.norm(value))[:3], (0.299, 0.587, 0.114))
        ink = np.dot(to_rgb(text.get_color()), (0.299, 0.587, 0.114))
        assert abs(ink - cell) >= 0.5


def test_a_cloud_names_its_means_and_marks_places():
    means = pd.DataFrame(
        {
            "variant": ["vclr", "ld+vclr", "vclr"],
            "setting": ["as in the study", "LD x0.1", "150 steps"],
            "loss": [3.0, 2.5, 7.0],
            "score": [45.0, 58.0, 15.0],
        }
    )
    runs = pd.concat([means, means.assign(score=means.score + 3)])
    fig = plots.cloud(means, "loss", "score", "setting", runs, marks={"guessing": 9.0})
    (ax,) = fig.axes
    written = [t.get_text() for t in ax.texts]
    assert written == ["guessing", *means.setting]
    assert [t.get_text() for t in fig.legends[0].get_texts()] == ["VCLR", "LD + VCLR"]
    assert ax.get_xlim()[0] < 2.5 and ax.get_xlim()[1] > 9.0
    # Six runs behind three means, drawn as small dots behind large ones.
    faint, large = (c for c in ax.collections if len(c.get_offsets()))
    assert len(faint.get_offsets()) == 6 and len(large.get_offsets()) == 3
    assert faint.get_sizes()[0] < large.get_sizes()[0]


def test_a_half_is_rounded_alike_whatever_the_last_bits_say():
    below, above = 0.985 - 1e-15, 0.985 + 1e-15
    assert f"{below:.2f}" != f"{above:.2f}"  # why it is asked
    assert format_cell(below, 2) == format_cell(above, 2)
    assert format_cell(3e-16, 4) == "3.0e-16" and format_cell(-0.125, 2) == f"{-0.125:.2f}"
