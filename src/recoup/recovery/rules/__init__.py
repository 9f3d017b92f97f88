"""The rules as data: what each code, type and phrase says about a failure. To add a rule is to add a word."""
