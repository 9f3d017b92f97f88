"""Ways to carry tasks out: in the controller's own process, or in worker processes beside it."""
