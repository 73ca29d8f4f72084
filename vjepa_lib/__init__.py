"""Companion library: what combining latent dynamics with contrast does in Video-JEPA, as code.

A map, from the ground up; every package imports only from those above it in this list:

- `errors`, `own_files`, `provenance`, `folders`, `settings`: sentences for users, readers' own
  files, where a number came from, where files lie, TOML settings.
- `model`: token grid, masks, encoder and predictor, released checkpoints.
- `video`: decoding, sampling, augmentation, sets of clips, manifests.
- `objectives`: the losses; a term a file, with its formula and its source.
- `datasets`: manifests from official annotations, health reports, the rendered worlds.
- `training`: the step, the loop, schedules, several processes, going on after a stop.
- `evaluation`: probes on frozen encoders, and what a training reaches.
- `study`: variants, profiles, runs, the store they live in, recorded results.
- `analysis`: intervals, ablations, the combination.
- `audit`: the paper's claims against its numbers, statistics and code.
- `show`: figures, tables, notebooks, the page of all artefacts, documents as pages and PDFs.
- `article`: the report as a paper, every number inserted from results.
- `paper`: the published protocol on a reader's own data, from manifests to the table.
- `maps`, `export`: what an encoder makes of a video, and encoders in the layouts of others.
- `bench`, `reproduce`, `__main__`: speed, the main job, and variants from the command line.
"""
