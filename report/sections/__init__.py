"""The sections of the page in their order; each module has one: its heading, its charts, its tables."""

from report.sections import by_month, economy, findings, prices, quality, to_date

ORDER = (to_date, findings, by_month, prices, economy, quality)
