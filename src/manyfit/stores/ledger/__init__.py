"""What a store keeps in memory of a sweep: its chain, plans, claims and ends, and what follows from them."""
