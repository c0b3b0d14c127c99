"""`python -m cronsched`."""

from cronsched.cli import main

if __name__ == '__main__':
    raise SystemExit(main())
