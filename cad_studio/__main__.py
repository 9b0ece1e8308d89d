"""`python -m cad_studio`."""

import sys

if __name__ == "__main__":
    if sys.argv[1:3] == ["run", "train"]:
        # Needs neither the project nor what the other commands import.
        from cad_studio.elsewhere import main as train

        sys.exit(train(sys.argv[3:]))
    from cad_studio.cli import main

    main()
