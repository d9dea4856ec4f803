"""``python -m sofetch``: the command line. Owns nothing else."""

from sofetch.cli import main

if __name__ == "__main__":
    main()
