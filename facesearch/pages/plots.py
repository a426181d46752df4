"""Plots as SVG inside a page, in its colours: histograms of distances, and a curve over them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from facesearch.pages.shell import text

WIDTH, HEIGHT = 440, 230
_YEARS_HEIGHT = 72
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 12, 26, 40  # around the plot itself


@dataclass(frozen=True)
class Bars:
    """A histogram: heights[i] from edges[i] to edges[i + 1]."""

    name: str
    colour: str  # a CSS colour
    edges: Sequence[float]
    heights: Sequence[float]


@dataclass(frozen=True)
class Mark:
    """A vertical line at x with its name; dashed for what is a rule rather than an observation."""

    x: float
    name: str
    dashed: bool = False


@dataclass(frozen=True)
class Axes:
    """x runs from 0 to right, y from 0 to top."""

    right: float
    top: float
    x_label: str
    y_label: str
    description: str  # what the plot shows, for those who cannot see it
    percent: bool = False

    def x(self, value: float) -> float:
        return _LEFT + min(max(value / self.right, 0), 1) * (WIDTH - _LEFT - _RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - _BOTTOM - min(max(value / self.top, 0), 1) * (HEIGHT - _TOP - _BOTTOM)


def histograms(axes: Axes, series: Sequence[Bars], marks: Sequence[Mark]) -> str:
    """Filled steps over one another."""
    return _svg(axes, "".join(_steps(axes, bars) for bars in series), _legend(series), marks)


def curve(axes: Axes, points: Sequence[tuple[float, float]], colour: str, marks: Sequence[Mark]) -> str:
    """Straight lines between points (x, y)."""
    line = " ".join(f"{axes.x(x):.1f},{axes.y(y):.1f}" for x, y in points)
    return _svg(axes, f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="2.5"/>', "", marks)


def _steps(axes: Axes, bars: Bars) -> str:
    floor = axes.y(0)
    path = [f"M{axes.x(bars.edges[0]):.1f},{floor:.1f}"]
    for left, right, height in zip(bars.edges[:-1], bars.edges[1:], bars.heights, strict=True):
        path.append(f"L{axes.x(left):.1f},{axes.y(height):.1f}L{axes.x(right):.1f},{axes.y(height):.1f}")
    path.append(f"L{axes.x(bars.edges[-1]):.1f},{floor:.1f}Z")
    return (
        f'<path d="{"".join(path)}" fill="{bars.colour}" fill-opacity=".35" stroke="{bars.colour}" stroke-width="1.5"/>'
    )


def _legend(series: Sequence[Bars]) -> str:
    """In the corner over the plot, one beside the other."""
    pieces, x = [], float(_LEFT)
    for bars in series:
        pieces.append(f'<rect x="{x:.0f}" y="4" width="11" height="11" fill="{bars.colour}" fill-opacity=".6"/>')
        pieces.append(f'<text x="{x + 16:.0f}" y="14">{text(bars.name)}</text>')
        x += 32 + 5.8 * len(bars.name)
    return "".join(pieces)


def _svg(axes: Axes, content: str, legend: str, marks: Sequence[Mark]) -> str:
    floor = axes.y(0)
    frame = f'<path d="M{_LEFT},{_TOP}V{floor:.0f}H{WIDTH - _RIGHT}" fill="none" stroke="var(--quiet)"/>'
    ticks = []
    for value in _round_steps(axes.right):
        ticks.append(f'<text x="{axes.x(value):.0f}" y="{floor + 16:.0f}" text-anchor="middle">{value:g}</text>')
    for step in range(1, 5):
        value = axes.top * step / 4
        shown = f"{value:.0%}" if axes.percent else f"{value:.2g}"
        ticks.append(f'<text x="{_LEFT - 6}" y="{axes.y(value) + 4:.0f}" text-anchor="end">{shown}</text>')
        ticks.append(
            f'<path d="M{_LEFT},{axes.y(value):.1f}H{WIDTH - _RIGHT}" stroke="var(--line)" stroke-dasharray="2 4"/>'
        )
    middle = (_LEFT + WIDTH - _RIGHT) / 2
    labels = f'<text x="{middle:.0f}" y="{HEIGHT - 6}" text-anchor="middle">{text(axes.x_label)}</text>'
    return (
        f'<svg class="plot" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(axes.description)}">'
        f"{''.join(ticks)}{frame}{content}{legend}{labels}{_marks(axes, marks)}</svg>"
        f'<p class="quiet">{text(axes.y_label)}</p>'
    )


def _round_steps(end: float) -> list[float]:
    """Four to ten round numbers from 0 up to an end."""
    size = 10.0 ** math.floor(math.log10(end))
    step = next(size * part for part in (0.1, 0.2, 0.25, 0.5, 1.0) if end / (size * part) <= 10)
    return [round(step * place, 9) for place in range(int(end / step + 1e-9) + 1)]


def _marks(axes: Axes, marks: Sequence[Mark]) -> str:
    """The names stand one below the other, on the side of their line that has room."""
    lines, names = [], []
    for row, mark in enumerate(sorted(marks, key=lambda mark: mark.x)):
        x, y = axes.x(mark.x), _TOP + 12 + 15 * row
        dash = ' stroke-dasharray="6 4"' if mark.dashed else ""
        anchor, shift = ("end", -6) if x > WIDTH * 0.6 else ("start", 6)
        lines.append(f'<path d="M{x:.1f},{_TOP}V{axes.y(0):.1f}" stroke="var(--ink)" stroke-width="1.5"{dash}/>')
        names.append(f'<text class="mark" x="{x + shift:.0f}" y="{y}" text-anchor="{anchor}">{text(mark.name)}</text>')
    return "".join(lines + names)


PLOT_STYLE = """
.plot { display: block; width: 100%; max-width: 36rem; height: auto; font: 11px system-ui, sans-serif; }
.plot text { fill: var(--quiet); }
.plot .mark { fill: var(--ink); font-weight: 600; paint-order: stroke; stroke: var(--ground); stroke-width: 4px; }
"""


def yearly(counts: Sequence[tuple[int, int]]) -> str:
    """Photos a year, (year, photos) each, as bars with the first and the last year below; each says its count to who
    points at it. Nothing for no year."""
    if not counts:
        return ""
    first, last, most = counts[0][0], counts[-1][0], max(photos for _, photos in counts)
    step = WIDTH / len(counts)
    bars = "".join(
        f'<rect x="{place * step + 1:.1f}" y="{_YEARS_HEIGHT - _YEARS_HEIGHT * photos / most:.1f}" '
        f'width="{max(step - 2, 1):.1f}" height="{_YEARS_HEIGHT * photos / most:.1f}" fill="var(--genuine)">'
        f"<title>{year}: {photos:,}</title></rect>"
        for place, (year, photos) in enumerate(counts)
    )
    said = text(f"photos a year from {first} to {last}, {most:,} at most")
    ends = f'<text x="0" y="{_YEARS_HEIGHT + 14}">{first}</text>'
    if last != first:
        ends += f'<text x="{WIDTH}" y="{_YEARS_HEIGHT + 14}" text-anchor="end">{last}</text>'
    return (
        f'<svg role="img" aria-label="{said}" viewBox="0 0 {WIDTH} {_YEARS_HEIGHT + 18}" width="{WIDTH}" '
        f'font-size="12" fill="var(--quiet)">{bars}{ends}</svg>'
    )
