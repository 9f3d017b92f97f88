"""`python -m recoup` is `recoup`."""

import sys

from recoup.cli import main

if __name__ == "__main__":
    sys.exit(main())
