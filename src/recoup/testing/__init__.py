"""Shipped for those who test pipelines or write plug-ins: contract tests, a crash injector, a fake clock."""
