"""What results say, as plain values that plots and pages show: effects, spreads, fronts, gaps, curves, timings."""
