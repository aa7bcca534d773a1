"""All that people read: the console page, a model's report as one file, plots as SVG; in English and in Spanish."""

from cauce.report.assets import static
from cauce.report.drawings import plots
from cauce.report.pages import console_page, model_page, sign_in_page

__all__ = ["console_page", "model_page", "plots", "sign_in_page", "static"]
