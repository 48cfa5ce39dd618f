"""`python -m swarmctl`."""

from swarmctl.entry import main

if __name__ == "__main__":
    main()
