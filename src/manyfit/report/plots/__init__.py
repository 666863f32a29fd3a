"""
Plots of results: one module a plot, each a function that takes values and returns a matplotlib figure.

Figures are made without pyplot, so that nothing is kept in the process and nothing depends on it. The extra
`manyfit[plots]` has to be there; `canvas.check` says so where it is not.
"""
