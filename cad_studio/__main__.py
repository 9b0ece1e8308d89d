"""`python -m cad_studio COMMAND`, and `cad-studio`, which without a command opens the window."""

import sys

_WITH_VALUE = ("--project", "--host", "--port", "--users", "--allow-host", "--root-path")
"""Options of the window, or of all commands, that are followed by their value."""


def main() -> int:
    """Run a command; returns the exit status."""
    if sys.argv[1:3] == ["run", "train"]:
        # Needs neither the project nor what the other commands import.
        from cad_studio.elsewhere import main as train

        return train(sys.argv[3:])
    from cad_studio.cli import main as command

    command()
    return 0


def window_or_command() -> int:
    """The window, or a command where one is named; returns the exit status."""
    if names_command(sys.argv[1:]):
        return main()
    from cad_studio.window import main as window

    return window()


def names_command(arguments: list[str]) -> bool:
    """Whether a word is among the arguments that is neither an option nor the value of one."""
    before = ""
    for each in arguments:
        if not each.startswith("-") and before not in _WITH_VALUE:
            return True
        before = each
    return False


if __name__ == "__main__":
    sys.exit(main())
