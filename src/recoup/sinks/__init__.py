"""The way out to tables: one module per database, each filled from published runs."""
