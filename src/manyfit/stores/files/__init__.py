"""Files made durable and published whole, by exactly one of many."""
