"""The bibliography: the report's references, and the work they build on."""

from __future__ import annotations

from vjepa_lib.show.document.blocks import Source

REPORT = (
    Source(
        "auxiliary",
        "S. P. Adhikari. Factorized Latent Dynamics for Video JEPA: An Empirical Study of "
        "Auxiliary Objectives. 2026.",
        "https://arxiv.org/abs/2605.17165",
    ),
    Source(
        "vclr",
        "H. Kuang, Y. Zhu, Z. Zhang, X. Li, J. Tighe, S. Schwertfeger, C. Stachniss, M. Li. Video "
        "Contrastive Learning with Global Context. 2021.",
        "https://arxiv.org/abs/2108.02722",
    ),
    Source(
        "iic",
        "L. Tao, X. Wang, T. Yamasaki. Self-supervised Video Representation Learning Using "
        "Inter-intra Contrastive Framework. 2020.",
        "https://arxiv.org/abs/2008.02531",
    ),
)
"""The references that the report names, in its order; the first is the source of its claims."""

BACKGROUND = (
    Source(
        "vjepa",
        "A. Bardes et al. Revisiting Feature Prediction for Learning Visual Representations from "
        "Video. 2024.",
        "https://arxiv.org/abs/2404.08471",
    ),
    Source(
        "vjepa2",
        "M. Assran et al. V-JEPA 2: Self-Supervised Video Models Enable Understanding, Prediction "
        "and Planning. 2025.",
        "https://arxiv.org/abs/2506.09985",
    ),
    Source(
        "lejepa",
        "R. Balestriero, Y. LeCun. LeJEPA: Provable and Scalable Self-Supervised Learning Without "
        "the Heuristics. 2025.",
        "https://arxiv.org/abs/2511.08544",
    ),
)
