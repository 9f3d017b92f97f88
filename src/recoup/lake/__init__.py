"""Data at rest: where things lie, how they are written whole, and which run is current."""
