"""All that people read: the console page, a model's report as one file, plots as SVG; in English and in Spanish."""

from cauce.report.assets import static
from cauce.report.pages import console_page, model_page, sign_in_page
from cauce.report.plots import plots

__all__ = ["console_page", "model_page", "plots", "sign_in_page", "static"]
