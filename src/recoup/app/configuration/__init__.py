"""How settings come about: read from a file, merged by who wins, checked, shown with their origin."""
