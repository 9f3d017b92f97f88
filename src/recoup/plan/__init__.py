"""Pure: from what was asked and what is known to what will be done, and why."""
