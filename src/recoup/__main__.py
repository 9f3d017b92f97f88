"""`python -m recoup` is `recoup`."""

from recoup.cli import command

if __name__ == "__main__":
    command()
