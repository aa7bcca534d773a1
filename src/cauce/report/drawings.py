"""Plots as SVG text: small, accessible, readable in light and dark, every name escaped.

Inside a page the style sheet colours them by their classes; a plot on its own carries the same colours with it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from markupsafe import Markup

from cauce.core.artefacts import Metrics, Trial
from cauce.report.language import Language, speak

_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_MOST_CLASSES = 10
_MOST_COLUMNS = 12
_WIDTH = 440

_STYLE = """
text{font:13px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:#1b2624}.strong{font-weight:600}
.paper{fill:#fff}.faint{fill:#5a6865}.line,.frame{stroke:#d5ddda;fill:none}.ideal{stroke:#5a6865;stroke-dasharray:5 4}
.bar,.dot,.cell{fill:#0b7285}.wrong{fill:#b3541e}.trend{stroke:#0b7285;fill:none}
@media (prefers-color-scheme:dark){
text{fill:#e6edeb}.paper{fill:#141b1a}.faint{fill:#9fb0ab}.line,.frame{stroke:#34423f}.ideal{stroke:#9fb0ab}
.bar,.dot,.cell{fill:#4fb8c9}.wrong{fill:#e08a54}.trend{stroke:#4fb8c9}}
"""


def plots(metrics: Metrics, importance: Mapping[str, float], language: str) -> dict[str, bytes]:
    """Return the plots that apply, as files.

    Parameters
    ----------
    metrics
        Confusion matrix and calibration, where the task has them.
    importance
        Input column → share of the model's use of it; may be empty.
    language
        ``"en"`` or ``"es"``.

    Returns
    -------
    dict[str, bytes]
        ``confusion.svg``, ``calibration.svg``, ``importance.svg``: those that have something to show.
    """
    words = speak(language)
    drawn = {
        "confusion.svg": confusion(metrics, words),
        "calibration.svg": calibration(metrics, words),
        "importance.svg": importance_bars(importance, words),
    }
    return {name: as_file(svg) for name, svg in drawn.items() if svg}


def confusion(metrics: Metrics, words: Language) -> Markup | None:
    """Draw true classes against predicted ones, each row shaded by its own shares; None without a matrix."""
    if not metrics.confusion:
        return None
    chosen = _largest(metrics.confusion, _MOST_CLASSES)
    rows = [[metrics.confusion[i][j] for j in chosen] for i in chosen]
    names = [metrics.classes[i] for i in chosen]
    left, top = 116, 44
    size = min(88.0, (_WIDTH - left - 8) / len(names))
    body = [text_at(left + size * len(names) / 2, 14, words.say("plot_predicted"), "faint", "middle")]
    body.append(text_at(left - 8, top - 8, words.say("plot_true"), "faint", "end"))
    above, beside = shorten(names, int(size / 8)), shorten(names, 14)
    for at, name in enumerate(names):
        body.append(text_at(left + size * (at + 0.5), top - 8, above[at], "", "middle", name))
        body.append(text_at(left - 8, top + size * (at + 0.5) + 4, beside[at], "strong", "end", name))
    for i, row in enumerate(rows):
        total = sum(metrics.confusion[chosen[i]]) or 1
        for j, number in enumerate(row):
            kind = "cell" if i == j else "wrong"
            body.append(_cell(left + size * j, top + size * i, size, kind, number / total, words.count(number)))
    height = top + size * len(names) + 8
    title = words.say("plot_confusion")
    right = sum(metrics.confusion[i][i] for i in range(len(metrics.confusion)))
    total = sum(map(sum, metrics.confusion))
    desc = words.say("plot_confusion_desc", words.count(right), words.count(total))
    if len(names) < len(metrics.classes):
        height += 18
        note = words.say("plot_classes_shown", len(names), words.count(len(metrics.classes)))
        body.append(text_at(_WIDTH / 2, height - 6, note, "faint", "middle"))
    return svg_of(_WIDTH, height, title, desc, body)


def calibration(metrics: Metrics, words: Language) -> Markup | None:
    """Draw how often what was called likely came true; None without calibration."""
    if not metrics.calibration:
        return None
    left, top, side = 72, 12, 300
    body = [Markup('<rect class="frame" x="{}" y="{}" width="{}" height="{}"/>').format(left, top, side, side)]
    for step in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = left + side * step, top + side * (1 - step)
        body.append(line_between(left, y, left + side, y, "line"))
        body.append(text_at(left - 8, y + 4, words.percent(step, 0), "faint", "end"))
        body.append(text_at(x, top + side + 18, words.percent(step, 0), "faint", "middle"))
    diagonal = Markup('<line class="ideal" x1="{}" y1="{}" x2="{}" y2="{}" stroke-width="2"/>')
    body.append(diagonal.format(left, top + side, left + side, top))
    points = [(left + side * p, top + side * (1 - share), count) for p, share, count in metrics.calibration if count]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    body.append(Markup('<polyline class="trend" stroke-width="2" points="{}"/>').format(path))
    most = max((count for *_, count in points), default=1)
    for (x, y, count), (said, came, _) in zip(points, (p for p in metrics.calibration if p[2]), strict=True):
        hover = words.say("plot_calibration_dot", words.percent(said), words.percent(came), words.count(count))
        dot = Markup('<circle class="dot" cx="{:.1f}" cy="{:.1f}" r="{:.1f}"><title>{}</title></circle>')
        body.append(dot.format(x, y, 3 + 5 * (count / most) ** 0.5, hover))
    body.append(text_at(left + side / 2, top + side + 38, words.say("plot_said"), "faint", "middle"))
    turn = Markup('<text class="faint" text-anchor="middle" transform="translate(12 {}) rotate(-90)">{}</text>')
    body.append(turn.format(top + side / 2, words.say("plot_came")))
    return svg_of(
        left + side + 28, top + side + 48, words.say("plot_calibration"), words.say("plot_calibration_desc"), body
    )


def importance_bars(importance: Mapping[str, float], words: Language) -> Markup | None:
    """Draw the columns that the model uses most; None where it tells nothing."""
    used = sorted(
        ((share, name) for name, share in importance.items() if share > 0), key=lambda pair: (-pair[0], pair[1])
    )
    shown = used[:_MOST_COLUMNS]
    if not shown:
        return None
    left, step = 176, 26
    scale = (_WIDTH - left - 60) / shown[0][0]
    body = []
    labels = shorten([name for _, name in shown], 20)
    for at, (share, name) in enumerate(shown):
        y = 6 + step * at
        body.append(text_at(left - 8, y + 15, labels[at], "", "end", name))
        bar = Markup('<rect class="bar" x="{}" y="{}" width="{:.1f}" height="18" rx="3"/>')
        body.append(bar.format(left, y + 1, max(1.0, share * scale)))
        body.append(text_at(left + share * scale + 6, y + 15, words.percent(share), "faint"))
    height = 12 + step * len(shown)
    rest = len(used) - len(shown)
    if rest:
        height += 20
        body.append(text_at(left, height - 8, words.say("plot_rest", words.count(rest)), "faint"))
    desc = words.say("plot_importance_desc", ", ".join(name for _, name in shown[:3]))
    return svg_of(_WIDTH, height, words.say("plot_importance"), desc, body)


def trials_plot(trials: Sequence[Trial], title: str, words: Language) -> Markup | None:
    """Draw each trial's mean loss, and the best so far as a line; None where nothing was tried to the end.

    Losses from twice as far above the best as the middle one on stand at the upper edge: one bad trial must not press
    all others flat. Trials that were given up have no place in the line: their mean is over fewer folds.
    """
    complete = [trial for trial in trials if trial.outcome == "complete" and trial.mean_loss is not None]
    if not complete:
        return None
    losses = sorted(float(trial.mean_loss or 0.0) for trial in complete)
    low, middle = losses[0], losses[len(losses) // 2]
    high = min(losses[-1], low + 2 * (middle - low)) if middle > low else losses[-1]
    left, top, height = 72, 12, 120
    across, reach = (_WIDTH - left - 16) / max(1, len(trials) - 1), (high - low) or 1.0

    def place(trial: Trial, loss: float) -> tuple[float, float]:
        return left + across * trial.number, top + height * (1 - (min(max(loss, low), high) - low) / reach)

    body = [line_between(left, y, _WIDTH - 16, y, "line") for y in (top, top + height)]
    body.append(text_at(left - 8, top + height + 4, words.number(low, digits=4), "faint", "end"))
    if high > low:
        beyond = "≥ " if high < losses[-1] else ""
        body.append(text_at(left - 8, top + 4, beyond + words.number(high, digits=4), "faint", "end"))
    body.append(_best_so_far(complete, place))
    for trial in trials:
        if trial.mean_loss is not None:
            x, y = place(trial, trial.mean_loss)
            said = words.number(trial.mean_loss, digits=4)
            hover = words.say("plot_trial", words.count(trial.number + 1), said, words.say(f"trial_{trial.outcome}"))
            dot = Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="{}"><title>{}</title></circle>')
            kind, size = ("dot", 4) if trial.outcome == "complete" else ("wrong", 2.5)
            body.append(dot.format(kind, x, y, size, hover))
    body.append(text_at(left, top + height + 20, f"{words.say('plot_trials_number')} 1", "faint", "middle"))
    if len(trials) > 1:
        body.append(text_at(_WIDTH - 16, top + height + 20, words.count(len(trials)), "faint", "middle"))
    best = min(complete, key=lambda trial: float(trial.mean_loss or 0.0))
    desc = words.say("plot_trials_desc", words.count(len(trials)), words.count(best.number + 1), words.number(low))
    return svg_of(_WIDTH, top + height + 28, words.say("plot_trials", title), desc, body)


def _best_so_far(complete: Sequence[Trial], place: Callable[[Trial, float], tuple[float, float]]) -> Markup:
    """Draw the lowest loss up to each trial, as steps."""
    points: list[str] = []
    best = math.inf
    for trial in complete:
        if points:
            points.append("{:.1f},{:.1f}".format(*place(trial, best)))
        best = min(best, float(trial.mean_loss or 0.0))
        points.append("{:.1f},{:.1f}".format(*place(trial, best)))
    return Markup('<polyline class="trend" stroke-width="2" points="{}"/>').format(" ".join(points))


def sparkline(values: Sequence[int], words: Language) -> Markup | None:
    """Draw predictions per minute; None where there are none at all."""
    if not any(values):
        return None
    width, height = 320, 56
    most = max(values)
    step = width / max(1, len(values) - 1)
    points = [f"{step * at:.1f},{height - 4 - (height - 10) * value / most:.1f}" for at, value in enumerate(values)]
    area = Markup('<polygon class="area" points="0,{0} {1} {2},{0}"/>').format(height - 4, " ".join(points), width)
    line = Markup('<polyline class="trend" stroke-width="1.5" points="{}"/>').format(" ".join(points))
    desc = words.say("plot_traffic_desc", words.count(sum(values)), words.count(most))
    return svg_of(width, height, words.say("plot_traffic"), desc, [area, line])


def columns_of_counts(heights: Sequence[float], hint: str) -> Markup:
    """Draw heights side by side, small enough for a table's cell."""
    width, height = 96, 24
    most = max(heights) or 1.0
    step = width / len(heights)
    form = Markup('<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"/>')
    sizes = [max(height * value / most, 0.6 if value else 0.0) for value in heights]
    bars = [form.format(step * at, height - size, max(step - 1, 1), size) for at, size in enumerate(sizes)]
    return svg_of(width, height, _printable(hint), "", bars)


def interval_line(value: float, lower: float, upper: float, low: float, high: float, *, hint: str) -> Markup:
    """Draw a figure with its interval on a scale from `low` to `high`."""
    width, middle = 150, 11
    reach = (width - 12) / ((high - low) or 1.0)
    ends = [6 + (each - low) * reach for each in (lower, upper, value)]
    span = Markup('<line class="span" x1="{:.1f}" y1="{}" x2="{:.1f}" y2="{}"/>').format(
        ends[0], middle, ends[1], middle
    )
    dot = Markup('<circle cx="{:.1f}" cy="{}" r="4"/>').format(ends[2], middle)
    drawn = svg_of(width, 22, _printable(hint), "", [span, dot])
    return Markup(str(drawn).replace("<svg ", '<svg class="interval" ', 1))  # noqa: S704 - escaped above


def as_file(svg: Markup) -> bytes:
    """Give a plot its own colours and background, so that it can be opened as a file."""
    head, _, rest = str(svg).partition(">")
    background = '<rect class="paper" width="100%" height="100%"/>'
    return f"{head}><style>{_STYLE}</style>{background}{rest}".encode()


def svg_of(width: float, height: float, title: str, desc: str, body: Iterable[Markup]) -> Markup:
    """Return a drawing of a body; sizes in pixels, title and description for who cannot see it."""
    frame = Markup(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {0:.0f} {1:.0f}" width="{0:.0f}" height="{1:.0f}" '
        'role="img" aria-label="{2}"><title>{2}</title><desc>{3}</desc>{4}</svg>'
    )
    return frame.format(width, height, title, _printable(desc), Markup("").join(body))


def text_at(x: float, y: float, text: str, kind: str = "", anchor: str = "start", full: str = "") -> Markup:
    """Return a text at a place, `kind` its class in the style; where it is shortened, `full` is shown on hovering."""
    hover = Markup("<title>{}</title>").format(_printable(full)) if full and full != text else ""
    form = Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}{}</text>')
    return form.format(kind, x, y, anchor, _printable(text), hover)


def line_between(x1: float, y1: float, x2: float, y2: float, kind: str) -> Markup:
    """Return a line from (x1, y1) to (x2, y2)."""
    form = Markup('<line class="{}" x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}"/>')
    return form.format(kind, x1, y1, x2, y2)


def _cell(x: float, y: float, size: float, kind: str, share: float, text: str) -> Markup:
    box = Markup('<rect class="frame" x="{0:.1f}" y="{1:.1f}" width="{2:.1f}" height="{2:.1f}"/>').format(x, y, size)
    fill = Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill-opacity="{:.2f}"/>')
    inner = fill.format(kind, x + 1, y + 1, size - 2, size - 2, 0.08 + 0.42 * share if share else 0)
    return box + inner + text_at(x + size / 2, y + size / 2 + 4, text, "", "middle")


def _largest(matrix: Sequence[Sequence[int]], most: int) -> list[int]:
    """Return the positions of the classes with most units, in their own order."""
    if len(matrix) <= most:
        return list(range(len(matrix)))
    by_size = sorted(range(len(matrix)), key=lambda i: (-sum(matrix[i]), i))
    return sorted(by_size[:most])


def shorten(names: Sequence[str], most: int) -> list[str]:
    """Cut names to `most` characters; those that would look the same, so that where they differ stays.

    Examples
    --------
    >>> shorten(["units_of_the_1st_semester_approved", "units_of_the_2nd_semester_approved", "age"], 16)
    ['unit…1st_semest…', 'unit…2nd_semest…', 'age']
    """
    cut = [_short(name, most) for name in names]
    twins = [[names[i] for i, other in enumerate(cut) if other == one and names[i] != name]
             for name, one in zip(names, cut, strict=True)]  # fmt: skip
    return [
        _around(name, max(_same(name, twin) for twin in alike), most) if alike and most >= 4 else one
        for name, one, alike in zip(names, cut, twins, strict=True)
    ]


def _same(one: str, other: str) -> int:
    """Return how many characters two names begin with in common."""
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _around(name: str, start: int, most: int) -> str:
    """Cut a name so that what begins at `start` stays."""
    head = f"{name[: most // 4]}…"
    room = most - len(head)
    rest = name[start:]
    return head + (rest if len(rest) <= room else f"{rest[: room - 1]}…")


def _short(name: str, most: int) -> str:
    """Cut a name in its middle: long names often differ at their end."""
    if len(name) <= most:
        return name
    tail = max(0, most - 1) // 2
    return f"{name[: max(1, most - 1 - tail)]}…{name[len(name) - tail :]}"


def _printable(text: str) -> str:
    """Replace what XML does not allow: a column's name may hold any character."""
    return _NOT_XML.sub("\ufffd", text)
