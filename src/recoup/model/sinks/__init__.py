"""Where a dataset can be delivered to, as declared: plain data, one file per kind of sink."""
