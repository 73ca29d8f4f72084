"""Rows of tables: chosen, laid out, told apart by where they come from. Plain pandas, no torch.

What a run is called (`variant`, `form`, `regime`) and where its numbers come from (`source`,
`profile`, `origin`) are columns; `name` and `source` are for figures and are never taken apart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pandas as pd

SOURCE_COLUMNS = ("profile", "origin")


def name(variant: str, form: str) -> str:
    """How a run is called in figures: the form is said where it is 'described'."""
    return variant if form == "released" else f"{variant} ({form})"


def names(pairs: Iterable[tuple[str, str]]) -> list[str]:
    """How the runs of (variant, form) pairs are called in figures."""
    return [name(variant, form) for variant, form in pairs]


def named(results: pd.DataFrame, probe: str | None = "linear") -> pd.DataFrame:
    """Results of one probe (None for all rows of any table with `variant`, `form`) with `name`."""
    rows = results if probe is None else results[results.probe == probe]
    return rows.assign(name=[name(v, f) for v, f in zip(rows.variant, rows.form, strict=True)])


def by_source(
    sources: Mapping[str, pd.DataFrame], function: Callable[..., pd.DataFrame], *args, **options
) -> pd.DataFrame:
    """One table of a function of live and of recorded results, told apart by column `source`.

    Parameters
    ----------
    sources : of `recorded.beside`; their columns `profile` and `origin` come along.
    function : results -> DataFrame; what follows is handed on to it.
    """
    parts = []
    for source, results in sources.items():
        origin = {k: results[k].iloc[0] for k in SOURCE_COLUMNS if k in results}
        parts.append(function(results, *args, **options).assign(source=source, **origin))
    return pd.concat(parts, ignore_index=True)


def each_source(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """The rows of each source: (tag, source, rows).

    The tag is for file names: the profile; with the origin where two sources share a profile.

    Parameters
    ----------
    table : of `by_source`.
    """
    several = table.groupby("profile").source.nunique()
    for source, part in table.groupby("source", sort=False):
        profile, origin = (part[k].iloc[0] for k in SOURCE_COLUMNS)
        yield profile if several[profile] == 1 else f"{profile}_{origin}", source, part


def fullest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the last source: the recorded runs where there are some, else the live ones."""
    return table[table.source == table.source.iloc[-1]].reset_index(drop=True)


def together(*tables: pd.DataFrame) -> Iterator[tuple]:
    """The rows of each source of several tables: (source, rows of the first, of the second, ..)."""
    for source in dict.fromkeys(tables[0].source):
        yield source, *(table[table.source == source] for table in tables)


def stack(**tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables one under the other, source by source, told apart by a column.

    Parameters
    ----------
    tables : one keyword, the name of the column: how each table is marked there -> table.
    """
    ((column, parts),) = tables.items()
    both = pd.concat([t.assign(**{column: mark}) for mark, t in parts.items()], ignore_index=True)
    order = {source: k for k, source in enumerate(dict.fromkeys(both.source))}
    return both.sort_values("source", key=lambda s: s.map(order), kind="stable", ignore_index=True)


def pick(table: pd.DataFrame, column: str, wanted: Iterable) -> pd.DataFrame:
    """Rows whose column holds one of the wanted values."""
    return table[table[column].isin(list(wanted))].reset_index(drop=True)


def drop(table: pd.DataFrame, column: str, unwanted: Iterable) -> pd.DataFrame:
    """Rows whose column holds none of the unwanted values."""
    return table[~table[column].isin(list(unwanted))].reset_index(drop=True)


def of_forms(table: pd.DataFrame, pairs: Iterable[tuple[str, str]]) -> pd.DataFrame:
    """Rows of (variant, form) pairs, of a table that has both columns."""
    keys = pd.MultiIndex.from_frame(table[["variant", "form"]])
    return table[keys.isin(list(pairs))].reset_index(drop=True)


def written(table: pd.DataFrame, **how: Callable[[str], str]) -> pd.DataFrame:
    """A table for reading: some of its columns as they are written in figures.

    Parameters
    ----------
    how : column -> what writes its values.
    """
    return table.assign(**{column: table[column].map(write) for column, write in how.items()})


def matrix(
    table: pd.DataFrame,
    value: str,
    rows: str | Sequence[str] = "name",
    columns: str = "benchmark",
    order: Sequence[str] | None = None,
) -> pd.DataFrame:
    """A long table laid out, rows x columns, both in order of appearance.

    Parameters
    ----------
    value : column that fills the cells; where several rows share a cell, their mean.
    order : of the rows; None for that of appearance. Rows that are not in it are left out.
    """
    keys = [rows] if isinstance(rows, str) else list(rows)
    wide = table.groupby([*keys, columns], sort=False)[value].mean().unstack()
    # Unstacking sorts; the order of appearance is the order of the study.
    wide = wide[list(dict.fromkeys(table[columns]))]
    wide = wide.reindex(list(dict.fromkeys(table[keys].itertuples(index=False, name=None)))
                        if len(keys) > 1 else list(dict.fromkeys(table[rows])))  # fmt: skip
    return wide if order is None else wide.reindex(list(order))


def side_by_side(
    table: pd.DataFrame, value: str = "top1", rows: Sequence[str] = ("source", "name")
) -> pd.DataFrame:
    """A long table with a column for each benchmark, for printing."""
    return matrix(table, value, rows).reset_index()


def at_end(curves: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Last measurement of each training, mean over seeds, a row per `name`.

    Parameters
    ----------
    curves : of `study.curves`, with `name`.
    metrics : columns; steps at which one was not measured do not count.
    """
    metrics = list(metrics)
    measured = curves.dropna(subset=metrics)
    last = measured.groupby(["name", "seed"], sort=False)[metrics].last()
    return last.groupby("name", sort=False).mean().reset_index()
