"""The published protocol as tables: how an encoder is read, and the sizes of everything."""

from __future__ import annotations

import pandas as pd

from vjepa_lib.paper.config import PROTOCOLS, Settings


def protocol_table() -> pd.DataFrame:
    """How each benchmark is read: `benchmark`, `probes`, `reported split`, `in the source`."""
    return pd.DataFrame(
        [
            {
                "benchmark": name,
                "probes": ", ".join(protocol.probes),
                "reported split": protocol.split,
                "in the source": not protocol.extension,
            }
            for name, protocol in PROTOCOLS.items()
        ]
    )


def settings_table(settings: Settings) -> pd.DataFrame:
    """Sizes of the `paper` profile in words: `setting`, `value`."""
    model, schedule, probes = settings.model, settings.schedule, settings.probes
    t, h, w = model.grid.shape
    rows = {
        "encoder": f"width {model.width}, depth {model.depth}, {model.heads} heads, "
        f"{t} x {h} x {w} tokens",
        "steps x batch": f"{schedule.steps} x {schedule.batch}",
        "learning rate, weight decay": f"{schedule.lr_start:g} to {schedule.lr:g}, "
        f"{schedule.weight_decay:g}",
        "EMA momentum": f"{schedule.momentum:g}",
        "attentive probe": f"AdamW {probes.lr:g}, weight decay {probes.weight_decay:g}, batch "
        f"{probes.batch}, {probes.epochs} epochs",
        "linear probe": f"batch {probes.linear_batch}, {probes.linear_epochs} epochs",
    }
    return pd.DataFrame({"setting": list(rows), "value": list(rows.values())})
