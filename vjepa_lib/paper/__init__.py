"""The profile `paper`: from manifests on disk to the table, on one machine or several.

`python -m vjepa_lib.paper {train,probe,finetune,status,table} --config paper.toml`. Training, every
probe of an encoder and every fine-tuning are runs of their own in one store, so each is done once,
survives a kill, and can be done on another machine. docs/paper_protocol.md has the commands.
"""

import lazy_loader

# Loaded on first use: a wrong argument must be told before torch is there, and training needs none
# of what tables need.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "finetuning": ["finetune", "finetuned_table", "finetuning_run"],
        "config": ["PROTOCOLS", "Settings", "load_settings"],
        "probing": ["evaluate_official", "probe"],
        "tables": ["plan", "status", "table", "write_table"],
        "training": ["TrainingRun", "load_encoder", "train", "training_run"],
    },
)
