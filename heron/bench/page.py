"""Plots and pages without anything from elsewhere."""

import html
from collections.abc import Iterable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

STYLE = (
    "body{font-family:sans-serif;margin:2em;max-width:75em}table{border-collapse:collapse;margin:1em 0}"
    "td,th{padding:.25em .8em;border-bottom:1px solid #ccc;text-align:right}"
    "td:first-child,th:first-child{text-align:left}img{width:36em;max-width:100%}"
)


def page(title: str, body: str) -> str:
    """A whole HTML page."""
    name = html.escape(title)
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{name}</title><style>{STYLE}</style>'
        f"<h1>{name}</h1>\n{body}\n</html>\n"
    )


def table_html(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; the last row is set apart."""
    head = "".join(f"<th>{html.escape(column)}</th>" for column in columns)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>\n{body}</table>"


def image(path: str, text: str) -> str:
    """An image beside the page."""
    return f'<img src="{html.escape(path)}" alt="{html.escape(text)}">'


def write_plot(path: Path, curves: dict[str, tuple[list, list]], title: str, x: str, y: str) -> None:
    """Lines with markers, one for each label."""
    figure, axes = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for label, (horizontal, vertical) in curves.items():
        axes.plot(horizontal, vertical, marker="o", label=label)
    axes.set(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=110, metadata={"Software": None})
    plt.close(figure)
