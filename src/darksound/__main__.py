"""The program: `darksound`, `python -m darksound`, and what torchrun starts."""

import sys

__all__ = ["main"]

_INTERRUPTED = 130


def main() -> None:
    """Run the command line and exit with its status."""
    try:
        # Imported here, so that an interrupt meanwhile is no traceback.
        from darksound.cli.app import main as run
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(_INTERRUPTED)
    run()


if __name__ == "__main__":
    main()
