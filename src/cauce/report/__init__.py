"""All that people read, in English and in Spanish: the console, a model's report, an audit's page, plots as SVG."""

from cauce.report.assets import static
from cauce.report.costs import rung_table
from cauce.report.drawings import plots
from cauce.report.fairness import fairness_rows, fairness_svg
from cauce.report.pages import audit_page, console_page, fairness_page, model_page, sign_in_page
from cauce.report.reduction import reduction_plots
from cauce.report.rehearsal import rehearsal_page, rehearsal_rows, rehearsal_svg
from cauce.report.watching import look_lines

__all__ = [
    "audit_page",
    "console_page",
    "fairness_page",
    "fairness_rows",
    "fairness_svg",
    "look_lines",
    "model_page",
    "plots",
    "reduction_plots",
    "rehearsal_page",
    "rehearsal_rows",
    "rehearsal_svg",
    "rung_table",
    "sign_in_page",
    "static",
]
