"""Carries plans out: the machine decides, the runner acts, insight reads."""
