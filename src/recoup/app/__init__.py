"""The composition root: settings, the plug-in table, and the verbs that the command line and Python share."""
