"""Pure: from evidence to what a failure is."""
