"""The study: variants, profiles, and the runs behind every table.

A study is a table of variants, a variant is a sum of named terms, a run is one variant with one
seed. `variants` and `profiles` are plain tables; `resolve` turns names into a `RunConfig`, whose
hash is the run's address in the `store`; `metrics` trains what is missing and reads the rest;
`recorded` holds results that were trained once and committed.
"""

import lazy_loader

# Loaded on first use: naming or colouring a variant must not wait for torch.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["cluster", "fingerprint", "recorded", "store"],
    submod_attrs={
        "variants": [
            "CONTRASTS",
            "FAMILIES",
            "FACTORIAL",
            "FACTORIAL4",
            "FACTORIZED",
            "FACTORS",
            "FACTORS4",
            "FORMS",
            "HALVES",
            "REFERENCES",
            "STUDIED",
            "VARIANTS",
            "Variant",
            "add_variant",
            "combined",
            "family_of",
            "find_variant",
            "get_variant",
        ],
        "profiles": ["PROFILES", "Profile", "get_profile"],
        "configs": [
            "REGIMES",
            "Recipe",
            "RunConfig",
            "canonical",
            "differs",
            "recipe",
            "resolve",
            "trained_as",
        ],
        "results": [
            "ENCODER_FILE",
            "clip_sets",
            "curves",
            "data_root",
            "load_encoder",
            "metrics",
            "pretrained_encoder",
            "runs_root",
            "train_run",
            "training_clips",
        ],
        "notebook_runs": ["NOTEBOOK_RUNS", "TRANSFER", "configs_of", "runs_for"],
        "store": ["Run", "RunStore", "config_hash"],
    },
)
