"""The report as one HTML page: self-contained, without scripts, for dark and light screens and for paper."""
