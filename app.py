"""Entry point of the window: `python app.py`."""

import sys

from cad_studio.window import main

if __name__ == "__main__":
    sys.exit(main())
