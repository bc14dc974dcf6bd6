"""`python -m darksound`, and what torchrun starts."""

from darksound.cli.app import main

if __name__ == "__main__":
    main()
