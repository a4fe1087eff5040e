"""The report page: one self-contained HTML file with charts, made from the reporting views alone."""
