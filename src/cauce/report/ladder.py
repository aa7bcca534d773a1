"""The ladder as people read it: every rung, how it did, and its interval against the best one, drawn."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from cauce.core.artefacts import Choice, Comparison, Rung
from cauce.report.language import DASH, Language

_WIDTH, _HEIGHT = 150, 22


class Row(NamedTuple):
    """One rung, written out."""

    title: str
    chosen: bool
    loss: str
    against: str
    """Difference to the best rung with its interval, relative to the best one's loss."""
    drawing: Markup | None
    verdict: str
    detail: str


def rows(choice: Choice, words: Language) -> tuple[Row, ...]:
    """Write every rung of a choice, simplest first."""
    reach = _reach(choice)
    return tuple(_row(rung, choice, reach, words) for rung in choice.rungs)


def gain(choice: Choice, words: Language) -> str:
    """Say how much less the chosen rung errs than the simplest one; empty where nothing can be compared."""
    chosen = next((rung for rung in choice.rungs if rung.name == choice.chosen), None)
    first = choice.rungs[0] if choice.rungs else None
    if chosen is first:
        return words.say("no_gain")
    if chosen is None or first is None or chosen.mean_loss is None or not first.mean_loss:
        return ""
    share = 1 - chosen.mean_loss / first.mean_loss
    return words.say("gain", words.percent(share, 0), words.of(first.title)) if share > 0 else ""


def _row(rung: Rung, choice: Choice, reach: float, words: Language) -> Row:
    return Row(
        title=words.of(rung.title),
        chosen=rung.outcome == "chosen",
        loss=words.number(rung.mean_loss),
        against=_against(rung, choice, words),
        drawing=_drawing(rung.against_best, choice.margin, reach, words) if rung.against_best else None,
        verdict=words.say(_verdict(rung, choice)),
        detail=words.of(rung.note) if rung.note else rung.detail,
    )


def _verdict(rung: Rung, choice: Choice) -> str:
    """Return the key of a rung's verdict: equal is said only of what is proven equal."""
    chosen = next((each for each in choice.rungs if each.name == choice.chosen), rung)
    if rung.name == choice.chosen == choice.best:
        return "rung_lowest"
    found = rung.against_best
    if choice.chosen == choice.best and rung.why == "more_complex" and found is not None and found.lower > 0:
        return "rung_complex_worse"
    if rung.name not in {choice.chosen, choice.best} or chosen.against_best is None:
        return f"why_{rung.why}"
    found = chosen.against_best
    if found.not_worse:
        keys = "rung_equal", "rung_best_equal"
    elif found.lower > 0:
        keys = "rung_small", "rung_best_small"
    else:
        keys = "rung_unproven", "rung_best_unproven"
    return keys[rung is not chosen]


def _relative(comparison: Comparison) -> tuple[float, float, float] | None:
    """Return difference, lower and upper end as shares of the reference's loss."""
    if comparison.mean_reference <= 0:
        return None
    low, middle, high = comparison.lower, comparison.difference, comparison.upper
    return middle / comparison.mean_reference, low / comparison.mean_reference, high / comparison.mean_reference


def interval(rung: Rung, choice: Choice, words: Language) -> str:
    """Write between what a rung's difference to the best one lies, relative to the best one's loss, in few letters."""
    relative = _relative(rung.against_best) if rung.against_best else None
    if relative is None:
        return words.say("lowest") if rung.name == choice.best else DASH
    _, low, high = relative
    return words.say("between", words.signed_percent(low), words.signed_percent(high))


def _against(rung: Rung, choice: Choice, words: Language) -> str:
    if rung.name == choice.best:
        return words.say("lowest_loss")
    relative = _relative(rung.against_best) if rung.against_best else None
    if relative is None:
        return DASH
    middle, low, high = (words.signed_percent(share) for share in relative)
    # Where all three lie beyond what is written, saying so once is enough.
    return middle if low == middle == high else words.say("interval", middle, low, high)


def _reach(choice: Choice) -> float:
    """Return how far the drawings go to each side: the widest interval, but at most five margins."""
    found = [_relative(rung.against_best) for rung in choice.rungs if rung.against_best]
    widest = max((max(abs(low), abs(high)) for _, low, high in filter(None, found)), default=0.0)
    return max(2 * choice.margin, min(widest, 5 * choice.margin), 1e-9) * 1.1


def _drawing(comparison: Comparison, margin: float, reach: float, words: Language) -> Markup | None:
    """Draw the interval, with lines at no difference and at the margin."""
    relative = _relative(comparison)
    if relative is None:
        return None
    middle, low, high = (_x(share, reach) for share in relative)
    kind = "ok" if comparison.not_worse else "bad" if comparison.verdict == "worse" else "open"
    form = Markup(
        '<svg class="interval {kind}" viewBox="0 0 {w} {h}" width="{w}" height="{h}" role="img" aria-label="{label}">'
        '<line class="zero" x1="{zero}" x2="{zero}" y1="2" y2="20"/>'
        '<line class="margin" x1="{edge}" x2="{edge}" y1="2" y2="20"/>'
        '<line class="span" x1="{low}" x2="{high}" y1="11" y2="11"/>{mark}</svg>'
    )
    label = words.say("interval_label", words.short_percent(margin))
    zero, edge = _x(0.0, reach), _x(margin, reach)
    mark = Markup('<circle cx="{}" cy="11" r="4"/>').format(middle)
    if relative[0] > reach:
        mark = Markup('<path d="M{0} 5l7 6l-7 6z"/>').format(middle - 3)
    elif relative[2] > reach:  # the interval goes on beyond the drawing
        mark += Markup('<path d="M{0} 6l6 5l-6 5z"/>').format(high - 2)
    if relative[1] < -reach:
        mark += Markup('<path d="M{0} 6l-6 5l6 5z"/>').format(low + 2)
    return form.format(kind=kind, w=_WIDTH, h=_HEIGHT, label=label, zero=zero, edge=edge, low=low, high=high, mark=mark)


def _x(share: float, reach: float) -> float:
    """Place a share on the drawing; what lies beyond its reach stands at its edge."""
    return round(6 + (_WIDTH - 12) * (max(-reach, min(reach, share)) + reach) / (2 * reach), 1)
