"""The reference pages that come from the program itself, one module for each page."""
