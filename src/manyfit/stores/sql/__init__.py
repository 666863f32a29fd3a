"""What the stores in SQL databases share: statements, rows, and the rules applied to them in transactions."""
