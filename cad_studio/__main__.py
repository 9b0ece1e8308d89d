"""`python -m cad_studio`."""

from cad_studio.cli import main

if __name__ == "__main__":
    main()
