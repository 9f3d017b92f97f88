"""The durable memory: its schema, its only writer, and readers that cannot write."""
